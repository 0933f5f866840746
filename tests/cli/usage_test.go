package cli

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestTheCommandLineIsRefusedInOneLine is about what needs no enclave to be refused: each message
// says what is wrong and what to do, and the exit status is that of the command line.
func TestTheCommandLineIsRefusedInOneLine(t *testing.T) {
	t.Parallel()
	const (
		echo  = "tests/functions/echo"
		ended = " was for the hosted service, which has ended: "
	)
	for args, says := range map[string]string{
		"deploi":           `there is no command "deploi": did you mean deploy? 'cape --help' lists them`,
		"tokne create":     `there is no command "tokne": did you mean token? 'cape --help' lists them`,
		"token creat":      `there is no command "token creat": did you mean create? 'cape token --help' lists them`,
		"token":            `say what to do: cape token create|delete|list`,
		"help deploi":      `there is no command "deploi": did you mean deploy? 'cape --help' lists them`,
		"help token creat": `there is no command "token creat": did you mean create? 'cape token --help' lists them`,
		"completion fsh":   `there is no command "completion fsh": did you mean bash or zsh or fish? 'cape completion --help' lists them`,
		"xyzzy":            `there is no command "xyzzy": 'cape --help' lists them`,

		"deploy --nme x":              `deploy has no flag --nme: did you mean --name? 'cape deploy --help' lists them`,
		"deploy -z":                   `deploy has no flag -z: 'cape deploy --help' lists them`,
		"-z":                          `cape has no flag -z: 'cape --help' lists them`,
		"deploy --name":               `--name lacks its value: NAME of the function; the folder's, up to its first dot, if it is not given`,
		"deploy x --timeout 5":        `--timeout 5: give a time with its unit, such as 90s or 720h`,
		"token create -n x -e 5":      `--expiry 5: give a time with its unit, such as 90s or 720h`,
		"token create -n x -e -5h":    `--expiry -5h0m0s: give a time from now on, such as 720h`,
		"list --limit x":              `--limit x: give a whole number`,
		"list --limit 0":              `--limit 0: give 1 to 1000`,
		"list --limit 1001":           `--limit 1001: give 1 to 1000`,
		"list --offset -1":            `--offset -1: give 0 or more`,
		"deploy x --public=maybe":     `--public maybe: give true or false, or nothing`,
		"version -o xml":              `--output xml: give plain or json`,
		"version -c none.json":        `the presets cannot be read: open none.json: no such file or directory`,
		"deploy":                      `name one folder or zip: the argument is missing`,
		"deploy a b":                  `name one folder or zip: "b" is one too many`,
		"key x":                       `key takes no arguments: "x" is one too many`,
		"delete ann/echo":             `ann/echo is a name: give the id, which cape list shows`,
		"token delete a/b":            `a/b is a name: give the id, which cape token list shows`,
		"token create -n x -f ann/e":  `--function ann/e is a name: give the function's id, which 'cape list' shows`,
		"delete":                      `name one function by its id; 'cape list' shows it: the argument is missing`,
		"run":                         `give FUNCTION, and INPUT, -f or --args; there are 0 arguments`,
		"run f x":                     `the enclave's address is missing: give --url, set CAPE_ENCLAVE_HOST, or run 'cape config enclave_host ADDRESS'`,
		"run f x -u ws://127.0.0.1:1": `say which enclave to accept: --pcr INDEX:HEX, --function-checksum HEX, --policy FILE, or --any-enclave`,
		"run f x -f y -u ws://127.0.0.1:1 --any-enclave":                              `give INPUT or -f, not both`,
		"run f x --args [] -u ws://127.0.0.1:1 --any-enclave":                         `give --args, or the input as INPUT or with -f, not both`,
		"run f -u ws://127.0.0.1:1 --any-enclave":                                     `the input is missing: give INPUT, -f FILE (- for standard input) or --args`,
		"run f -f none -u ws://127.0.0.1:1 --any-enclave":                             `the input none cannot be read: no such file or directory`,
		"run f -f tests -u ws://127.0.0.1:1 --any-enclave":                            `the input tests cannot be read: is a directory`,
		"run f x -u ws://127.0.0.1:1 --policy none":                                   `--policy none cannot be read: no such file or directory`,
		"run f x -u ws://127.0.0.1:1 --policy tests":                                  `--policy tests cannot be read: is a directory`,
		"run f x -u ws://127.0.0.1:1 --policy x --pcr 0:00":                           `give --policy, or the policy by --pcr, --function-checksum or --any-enclave, not both`,
		"run f x -u ws://127.0.0.1:1 --any-enclave --attestation-root none":           `--attestation-root none cannot be read: no such file or directory`,
		"run f x -u ws://127.0.0.1:1 --function-checksum xy":                          `--function-checksum: not hexadecimal`,
		"run f x -u nowhere --any-enclave":                                            `the url has neither of the schemes wss:// and ws://: give one such as wss://enclave.example.com (argument.url)`,
		"run f x -u ws://192.0.2.1 --any-enclave":                                     `ws:// to 192.0.2.1 would send results unprotected: use wss://, or allow that by name (--insecure-ws) (argument.insecure_url)`,
		"run f x -u ws://127.0.0.1:1 --any-enclave --insecure":                        `TLS is never left unchecked (--insecure, CAPE_DEV_DISABLE_SSL): name the authority to trust with --tls-ca`,
		"deploy " + echo + " -u ws://127.0.0.1:1 --any-enclave --write-policy none/x": `none/x cannot be written: no such file or directory`,
		"deploy " + echo + " -u ws://127.0.0.1:1 --any-enclave --write-policy tests":  `tests cannot be written: it is a directory`,
		"run f --args [1 -u ws://127.0.0.1:1 --any-enclave":                           `--args is no JSON at byte 2: give an array such as '[3, 4]' (argument.json)`,
		"list -u ws://127.0.0.1:1 -t /path/to/token":                                  `the token looks like the name of a file: give what is in it, as in --token "$(cat FILE)"`,
		"list -u ws://127.0.0.1:1 -t ./token":                                         `the token looks like the name of a file: give what is in it, as in --token "$(cat FILE)"`,
		"deploy " + echo + " -u ws://127.0.0.1:1":                                     `say which enclave to accept: --pcr INDEX:HEX, --policy FILE, or --any-enclave`,
		"key -u ws://127.0.0.1:1 --policy x --pcr 0:00":                               `give --policy, or the policy by --pcr or --any-enclave, not both`,
		"deploy x --function-checksum 00":                                             `deploy has no flag --function-checksum: 'cape deploy --help' lists them`,
		"key --function-checksum 00":                                                  `key has no flag --function-checksum: 'cape key --help' lists them`,
		"encrypt x --function-checksum 00":                                            `encrypt has no flag --function-checksum: 'cape encrypt --help' lists them`,
		"test x y --function-checksum 00":                                             `test has no flag --function-checksum: 'cape test --help' lists them`,
		"verify x --any-enclave --root none":                                          `--root none cannot be read: no such file or directory`,
		"verify x --any-enclave --attestation-root none":                              `--attestation-root none cannot be read: no such file or directory`,
		"login":                        `the issuer's address is missing: give --url, set CAPE_AUTH_HOST, or run 'cape config auth_host ADDRESS'`,
		"login -u http://192.0.2.1":    `the issuer's address http://192.0.2.1 is not of the form https://host, or http:// to this machine`,
		"login --link-aws-account":     `--link-aws-account` + ended + `leave it out`,
		"login --link-aws-account abc": `--link-aws-account` + ended + `leave it out`,
		"get-pcrs --version 1.0":       `--version` + ended + `name a running enclave with --url in place of one of its releases`,
		"get-pcrs -b releases":         `--bucket` + ended + `name a running enclave with --url in place of one of its releases`,
		"signup --any thing":           `there is nowhere to sign up, as the hosted service has ended: log in at an issuer of your own with 'cape login --url ADDRESS', or run a service with 'cape enclave --data DIR'`,
		"config none":                  `there is no setting "none": 'cape config' lists them`,
		"config audience a b":          `give a KEY and a VALUE at most; there are 3 arguments`,
		"config enclave_host nowhere":  `enclave_host nowhere: give an address with its scheme, such as wss://enclave.example.com`,
		"config auth_host nowhere":     `auth_host nowhere: give an address with its scheme, such as https://issuer.example.com`,
		"function create tests":        `tests cannot be made: file exists`,
		"function create a/b/c":        `a/b/c cannot be made: no such file or directory`,
		"function create a,b":          `a,b is no name of a function: letters, digits, '_', '.' and '-' may stand in one, and it does not begin with a dot`,
		"function create x -l cobol":   `--language cobol: python is the only one`,
		"enclave":                      `name one folder or more, each with an app.py, or a data folder with --data`,
		"enclave --auth " + echo:       `--auth, --auth-keys and --user need --data: tokens are kept there`,
	} {
		home := t.TempDir()
		output, said, status := runIn(t, []string{"HOME=" + home}, strings.Fields(args)...)
		if want := "cape: " + says + "\n"; output != "" || said != want || status != 2 {
			t.Errorf("%s: %q, %q, exit status %d; want %q", args, output, said, status, want)
		}
		if left, err := os.ReadDir(home); err != nil || len(left) > 0 {
			t.Errorf("%s leaves %v, %v", args, left, err)
		}
	}
}

func TestWhatIsKeptIsOfUse(t *testing.T) {
	t.Parallel()
	for content, says := range map[string]string{
		"{":                `the presets in FOLDER/presets.json cannot be used: they are not a JSON object`,
		`{"policy": {}}`:   `the presets in FOLDER/presets.json cannot be used: policy is neither a text nor true or false`,
		"\x00\xff binary ": `the presets in FOLDER/presets.json cannot be used: they are not a JSON object`,
	} {
		folder := t.TempDir()
		if err := os.WriteFile(folder+"/presets.json", []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, said, status := runIn(t, []string{"CAPE_LOCAL_CONFIG_DIR=" + folder}, "list")
		if want := "cape: " + strings.Replace(says, "FOLDER", folder, 1) + "\n"; said != want || status != 2 {
			t.Errorf("%q: %q, exit status %d; want %q", content, said, status, want)
		}
	}
	for content, says := range map[string]string{
		"{":  `FOLDER/auth holds no login: run 'cape login'`,
		"{}": `FOLDER/auth holds no login: run 'cape login'`,
		`{"access_token": "old", "expiry": "2020-01-01T00:00:00Z"}`: `the login has ended; give a --token that is good for this, or run 'cape login' (auth.rejected)`,
	} {
		folder := t.TempDir()
		if err := os.WriteFile(folder+"/auth", []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, said, status := runIn(t, []string{"CAPE_LOCAL_CONFIG_DIR=" + folder}, "list", "-u", "ws://127.0.0.1:1")
		wanted := 2
		if strings.Contains(says, "(auth.rejected)") {
			wanted = 1
		}
		if want := "cape: " + strings.Replace(says, "FOLDER", folder, 1) + "\n"; said != want || status != wanted {
			t.Errorf("%q: %q, exit status %d; want %q", content, said, status, want)
		}
	}
}

func TestAPresetThatMeansNothingIsToldOnce(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	content := `{"enclave_hos": "x", "local_of_another": "y", "dev_disable_ssl": false, "xyzzy": true}`
	if err := os.WriteFile(folder+"/presets.json", []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	output, said, status := runIn(t, []string{"CAPE_LOCAL_CONFIG_DIR=" + folder}, "version")
	want := "cape: the presets in FOLDER/presets.json have \"enclave_hos\", which is no setting: did you mean enclave_host? 'cape config --help' lists them\n" +
		"cape: the presets in FOLDER/presets.json have \"xyzzy\", which is no setting: 'cape config --help' lists them\n"
	if said != strings.ReplaceAll(want, "FOLDER", folder) || output == "" || status != 0 {
		t.Errorf("%q, %q, exit status %d; want %q", output, said, status, want)
	}
}

func TestShellsCompleteTheValuesOfFlags(t *testing.T) {
	t.Parallel()
	for args, value := range map[string]string{
		"version -o": "json", "list --output": "plain", "enclave --fault": "foreign_chain", "function create -l": "python",
	} {
		output, _, status := runIn(t, nil, append(append([]string{"__complete"}, strings.Fields(args)...), "")...)
		if !strings.Contains(output, value+"\n") || status != 0 {
			t.Errorf("%s: %q, exit status %d", args, output, status)
		}
	}
}

func TestAFullDiskIsTold(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("needs /dev/full: ", err)
	}
	defer full.Close()
	said, status := runTo(t, full, "version")
	if want := fmt.Sprintln("cape: standard output cannot be written: write /dev/stdout: no space left on device"); said != want || status != 2 {
		t.Errorf("%q, exit status %d", said, status)
	}
}
