package install

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// offers asks the installed command what may follow some words: names of commands, or flags.
func offers(t *testing.T, p tree, words ...string) []string {
	t.Helper()
	output := run(t, ".", append([]string{p.path("bin", "cape"), "__complete"}, words...)...)
	var found []string
	for _, line := range strings.Split(output, "\n") {
		name, _, described := strings.Cut(line, "\t")
		if described {
			found = append(found, name)
		}
	}
	if len(found) == 0 {
		t.Fatalf("nothing follows %q: %s", words, output)
	}
	slices.Sort(found)
	return found
}

// commands are those of cape, but for the help of cobra.
func commands(t *testing.T, p tree) []string {
	t.Helper()
	return slices.DeleteFunc(offers(t, p, ""), func(name string) bool { return name == "help" || name == "completion" })
}

// commandLines gives the words of every command, those of commands of commands too; nil is cape alone.
func commandLines(t *testing.T, p tree) [][]string {
	t.Helper()
	lines := [][]string{nil}
	for _, name := range commands(t, p) {
		lines = append(lines, []string{name})
		_, list, found := strings.Cut(run(t, ".", p.path("bin", "cape"), name, "--help"), "Available Commands:\n")
		if !found {
			continue
		}
		list, _, _ = strings.Cut(list, "\n\n")
		for _, line := range strings.Split(list, "\n") {
			lines = append(lines, []string{name, strings.Fields(line)[0]})
		}
	}
	return lines
}

func TestManPagesDescribeEveryCommandAndFlag(t *testing.T) {
	t.Parallel()
	p := direct(t)
	folder := p.path("share", "man", "man1")
	pages := make(map[string][]string)
	for _, words := range commandLines(t, p) {
		pages[strings.Join(append([]string{"cape"}, words...), "-")+".1"] = words
	}
	if got := files(t, folder); len(got) != len(pages) {
		t.Errorf("pages %q, want one for each of %v", got, pages)
	}
	for name, words := range pages {
		page, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Error(err)
			continue
		}
		for _, flag := range append(offers(t, p, append(words, "--")...), "--help") {
			if !strings.Contains(string(page), `\fB`+strings.ReplaceAll(strings.TrimSuffix(flag, "="), "-", `\-`)+`\fR`) {
				t.Errorf("%s does not describe %s", name, flag)
			}
		}
		if words == nil {
			for _, command := range commands(t, p) {
				command = strings.ReplaceAll(command, "-", `\-`)
				if !strings.Contains(string(page), "\n.B "+command+"\n") || !strings.Contains(string(page), `.BR cape\-`+command+" (1)") {
					t.Errorf("%s does not describe the command %s", name, command)
				}
			}
		}
		if !strings.Contains(string(page), "libcape "+version(t)) {
			t.Errorf("%s does not name version %s", name, version(t))
		}
	}
}

func TestManPagesAreShownAsTheyWereMeant(t *testing.T) {
	t.Parallel()
	needs(t, "man", "man-db")
	p := direct(t)
	for _, name := range files(t, p.path("share", "man", "man1")) {
		shown := run(t, ".", "LC_ALL=C.UTF-8", "MANWIDTH=1000", "man", "--warnings", "-l", p.path("share", "man", "man1", name))
		for _, text := range []string{"NAME", "SYNOPSIS", "OPTIONS", "SEE ALSO", strings.TrimSuffix(name, ".1") + " - "} {
			if !strings.Contains(shown, text) {
				t.Errorf("%s lacks %q:\n%s", name, text, shown)
			}
		}
		// What roff is apt to change.
		if name == "cape-run.1" {
			for _, text := range []string{`{"args": [...], "kwargs": {...}}`, "--args '[3, 4]'", "--pcr INDEX:HEX", "function's zip"} {
				if !strings.Contains(shown, text) {
					t.Errorf("%s lacks %q:\n%s", name, text, shown)
				}
			}
		}
		if strings.Contains(shown, "warning:") {
			t.Errorf("%s: %s", name, shown)
		}
	}
}

// bash completes a line as a shell does, with what the script needs of the package bash-completion.
const bash = `
_get_comp_words_by_ref() { cur=${COMP_WORDS[COMP_CWORD]}; prev=${COMP_WORDS[COMP_CWORD-1]}; words=("${COMP_WORDS[@]}"); cword=$COMP_CWORD; }
compopt() { :; }
source "$1"; shift
set -- $(complete -p cape | sed 's/.*-F \([^ ]*\).*/\1/') "$@"
function=$1; shift
COMP_WORDS=(cape "$@"); COMP_CWORD=$#; COMP_LINE="cape $*"; COMP_POINT=${#COMP_LINE}; COMP_TYPE=9
COMPREPLY=(); $function cape
printf '%s\n' "${COMPREPLY[@]%% *}"
`

// shells are those that completions are for: how to have each complete the words of a line.
var shells = map[string]struct {
	script   string
	complete func(script string, words []string) []string
}{
	"bash": {"bash-completion/completions/cape", func(script string, words []string) []string {
		return append([]string{"bash", "-c", bash, "bash", script}, words...)
	}},
	"fish": {"fish/vendor_completions.d/cape.fish", func(script string, words []string) []string {
		return []string{"fish", "--no-config", "-c", "source $argv[1]; complete -C \"cape $argv[2]\"", script, strings.Join(words, " ")}
	}},
	"zsh": {"zsh/site-functions/_cape", func(script string, words []string) []string {
		// The functions that show what was found are zsh's own; here they print it.
		return []string{"zsh", "-f", "-c", `script=$1; shift
compdef() { :; }; _describe() { print -l -- "${completions[@]%%:*}"; }; _arguments() { :; }
source $script
words=(cape "$@"); CURRENT=$#words; _cape`, "zsh", script}
	}},
}

func TestShellsCompleteEveryCommandAndFlag(t *testing.T) {
	t.Parallel()
	p := direct(t)
	lines := [][]string{{""}}
	for _, words := range commandLines(t, p)[1:] {
		lines = append(lines, append(words, "--"))
	}
	for name, shell := range shells {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			needs(t, name, name)
			for _, words := range lines {
				command := shell.complete(p.path("share", shell.script), words)
				if name == "zsh" {
					command = append(command, words...)
				}
				output := run(t, ".", append([]string{"PATH=" + p.path("bin") + ":" + os.Getenv("PATH")}, command...)...)
				shown := map[string]bool{}
				for _, line := range strings.Split(output, "\n") {
					name, _, _ := strings.Cut(strings.ReplaceAll(line, "\t", " "), " ")
					shown[name] = true
				}
				for _, wanted := range offers(t, p, words...) {
					if !shown[wanted] {
						t.Errorf("after %q it does not offer %s, but\n%s", words, wanted, output)
					}
				}
			}
		})
	}
}
