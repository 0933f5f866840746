package cli

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/libcape/libcape/capelib"
)

// The documents are tests/vectors/attest; that each gets its verdict is for tests/verify.
const (
	vectors    = "tests/vectors/attest/"
	good       = vectors + "good.bin"
	goodAt     = "2026-06-01T12:30:02.25Z" // two seconds after it was signed
	goodPCR0   = "991c6acc7df14908722b2b1250b10fca807363911c569df89caafb8b35250afa726eaf1ca98ec34fa3a77a4349596648"
	goodNonce  = "30313233343536373839616263646566"
	ownRoot    = vectors + "root.pem"
	awsRoot    = "core/attest/aws-nitro-root-g1.pem"
	debugMode  = vectors + "good-debug-allowed.bin"
	notTrusted = "chain.root"
)

// verifying are the arguments to judge a document under the root and at the time of the vectors.
func verifying(args ...string) []string {
	return append([]string{"verify", "--root", ownRoot, "--at", goodAt}, args...)
}

func content(t *testing.T, path string) []byte {
	t.Helper()
	read, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return read
}

// file is the path of a new file.
func file(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// verdict is what a run of 'cape verify' has to come to: its exit status, and a text in what it
// prints.
type verdict struct {
	args   []string
	status int
	says   string
}

// check runs a command with nothing on standard input. A report goes to standard output, and
// everything else, of one line, to standard error.
func (v verdict) check(t *testing.T) {
	t.Helper()
	output, said, status := run(t, "", v.args...)
	where, other := output, said
	if v.status == 2 {
		where, other = said, output
	}
	if status != v.status || !strings.Contains(where, v.says) || other != "" || v.status == 2 && strings.Count(said, "\n") != 1 {
		t.Errorf("%q, %q, exit status %d; want %d and %q", output, said, status, v.status, v.says)
	}
}

func TestVerifyEndsWithTheStatusOfTheVerdict(t *testing.T) {
	t.Parallel()
	for name, v := range map[string]verdict{
		"accepted":           {verifying("--any-enclave", good), 0, "verdict  accepted\n"},
		"pinned":             {verifying("--pcr", "0:"+goodPCR0, good), 0, "accepted"},
		"several values":     {verifying("--pcr", wrong, "--pcr", "0:"+goodPCR0, good), 0, "accepted"},
		"checksum":           {verifying("--function-checksum", strings.Repeat("f1", 32), good), 0, "accepted"},
		"nonce":              {verifying("--any-enclave", "--nonce", goodNonce, good), 0, "accepted"},
		"nonce in capitals":  {verifying("--any-enclave", "--nonce", strings.ToUpper(goodNonce), good), 0, "accepted"},
		"debug allowed":      {verifying("--any-enclave", "--allow-debug", debugMode), 0, "debug mode"},
		"own time":           {[]string{"verify", "--root", ownRoot, "--at-document-time", "--any-enclave", good}, 0, "own time"},
		"flags after":        {[]string{"verify", good, "--root=" + ownRoot, "--at=" + goodAt, "--any-enclave"}, 0, "accepted"},
		"now":                {[]string{"verify", "--root", ownRoot, "--any-enclave", good}, 1, "chain.expired"},
		"under AWS's root":   {[]string{"verify", "--at", goodAt, "--any-enclave", good}, 1, notTrusted},
		"another time":       {append(verifying("--any-enclave", good), "--at", "2026-06-01T12:29:54.25Z"), 1, "time.future"},
		"wrong PCR":          {verifying("--pcr", wrong, good), 1, "policy.pcr_mismatch"},
		"wrong PCR of two":   {verifying("--pcr", wrong, "--pcr", "1:"+goodPCR0, good), 1, "PCR0 and PCR1 differ"},
		"wrong checksum":     {verifying("--function-checksum", strings.Repeat("f2", 32), good), 1, "policy.function_checksum"},
		"wrong nonce":        {verifying("--any-enclave", "--nonce", "00", good), 1, "nonce.mismatch"},
		"debug mode":         {verifying("--any-enclave", debugMode), 1, "policy.debug_mode"},
		"empty":              {verifying("--any-enclave", vectors+"empty.bin"), 1, "parse.empty"},
		"nothing piped":      {verifying("--any-enclave", "-"), 1, "parse.empty"},
		"white space":        {verifying("--any-enclave", file(t, " \n\t\n")), 1, "parse.empty"},
		"text":               {verifying("--any-enclave", "Makefile"), 1, "cose.structure"},
		"garbage":            {verifying("--any-enclave", file(t, "\x84\xff\x00\xfe garbage")), 1, "parse"},
		"another kind":       {verifying("--any-enclave", cape), 1, "parse"},
		"endless":            {verifying("--any-enclave", "/dev/zero"), 1, "parse.too_large"},
		"no document":        {verifying("--any-enclave"), 2, "arg"},
		"two documents":      {verifying("--any-enclave", good, good), 2, "arg"},
		"no such file":       {verifying("--any-enclave", "/nonexistent"), 2, "/nonexistent"},
		"directory":          {verifying("--any-enclave", "tests"), 2, "tests"},
		"no policy":          {verifying(good), 2, "--any-enclave"},
		"debug is no policy": {verifying("--allow-debug", good), 2, "--any-enclave"},
		"any and a PCR":      {verifying("--any-enclave", "--pcr", wrong, good), 2, "argument.policy"},
		"bad PCR":            {verifying("--pcr", "0", good), 2, "INDEX:HEX"},
		"short PCR":          {verifying("--pcr", "0:00", good), 2, "argument.policy"},
		"short checksum":     {verifying("--function-checksum", "00", good), 2, "argument.policy"},
		"nonce not hex":      {verifying("--any-enclave", "--nonce", "xyz", good), 2, "--nonce"},
		"nonce half a byte":  {verifying("--any-enclave", "--nonce", "303", good), 2, "--nonce"},
		"nonce too long":     {verifying("--any-enclave", "--nonce", strings.Repeat("00", 1025), good), 2, "nonce"},
		"empty nonce":        {verifying("--any-enclave", "--nonce", "", good), 2, "--nonce"},
		"empty time":         {verifying("--any-enclave", good, "--at", ""), 2, "--at"},
		"empty root":         {verifying("--any-enclave", good, "--root", ""), 2, "--root"},
		"empty policy name":  {verifying("--any-enclave", "--policy", "", good), 2, "--policy"},
		"empty checksum":     {verifying("--pcr", "0:"+goodPCR0, "--function-checksum", "", good), 2, "--function-checksum"},
		"bad time":           {[]string{"verify", "--at", "yesterday", "--any-enclave", good}, 2, "2026-01-31T12:00:00Z"},
		"time without zone":  {[]string{"verify", "--at", "2026-06-01T12:30:02", "--any-enclave", good}, 2, "--at"},
		"two times":          {verifying("--any-enclave", "--at-document-time", good), 2, "not both"},
		"unknown flag":       {verifying("--any-enclave", "--trust-me", good), 2, "trust-me"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v.check(t)
		})
	}
}

func TestVerifySaysWhenItsReportCannotBeWritten(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{verifying("--any-enclave", good), verifying("--any-enclave", "--json", good)} {
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			t.Skipf("left out: needs /dev/full: %v", err)
		}
		defer full.Close()
		var said strings.Builder
		command := exec.Command(cape, args...)
		command.Dir, command.Stdout, command.Stderr = root, full, &said
		if err := command.Run(); command.ProcessState.ExitCode() != 2 || !strings.Contains(said.String(), "cannot be written") {
			t.Errorf("%q, %v", said.String(), err)
		}
	}
}

func TestVerifyTakesThePolicyFromAFile(t *testing.T) {
	t.Parallel()
	pinned := `{"pcrs":{"0":"` + goodPCR0 + `"}}`
	releases := `{"releases":[{"name":"old","pcrs":{"0":"` + wrong[2:] + `"}},{"name":"new","pcrs":{"0":"` + goodPCR0 + `"},"not_after":"2026-06-01T13:00:00Z"}]}`
	under := func(policy string, args ...string) []string {
		return verifying(append([]string{"--policy", file(t, policy), good}, args...)...)
	}
	for name, v := range map[string]verdict{
		"pinned":        {under(pinned), 0, "accepted"},
		"any":           {under(`"any"` + "\n"), 0, "any enclave"},
		"and the flag":  {verifying("--policy", file(t, `"any"`), "--allow-debug", debugMode), 0, "debug mode"},
		"in the file":   {verifying("--policy", file(t, `{"any":true,"allow_debug":true}`), debugMode), 0, "debug mode"},
		"release":       {under(releases), 0, "release      new\n"},
		"release ended": {under(strings.Replace(releases, "13:00", "12:30", 1)), 1, "policy.release_expired"},
		"no release":    {under(strings.ReplaceAll(releases, goodPCR0, strings.Repeat("a5", 48))), 1, "policy.pcr_mismatch"},
		"wrong":         {under(`{"pcrs":{"0":"` + wrong[2:] + `"}}`), 1, "policy.pcr_mismatch"},
		"too old":       {under(`{"any":true,"max_age_ms":1000}`), 1, "time.too_old"},
		"empty file":    {under(``), 2, "argument.policy"},
		"empty object":  {under(`{}`), 2, "argument.policy_empty"},
		"broken":        {under(`{"pcrs":`), 2, "argument.policy"},
		"null":          {under(`null`), 2, "argument.policy"},
		"twice":         {under(`{"pcrs":{"0":"` + goodPCR0 + `"},"pcrs":{}}`), 2, "twice"},
		"other case":    {under(`{"PCRs":{"0":"` + goodPCR0 + `"}}`), 2, "PCRs"},
		"two values":    {under(pinned + pinned), 2, "argument.policy"},
		"and a PCR":     {under(pinned, "--pcr", wrong), 2, "not both"},
		"and any":       {under(pinned, "--any-enclave"), 2, "not both"},
		"and checksum":  {under(pinned, "--function-checksum", strings.Repeat("f1", 32)), 2, "not both"},
		"no such file":  {verifying("--policy", "/nonexistent", good), 2, "/nonexistent"},
		"directory":     {verifying("--policy", "tests", good), 2, "tests"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v.check(t)
		})
	}
}

func TestVerifyTrustsEveryRootThatIsNamed(t *testing.T) {
	t.Parallel()
	own := strings.TrimSpace(string(content(t, ownRoot))) // no line break at the end
	both := own + "\n" + string(content(t, awsRoot))
	under := func(roots ...string) []string {
		args := []string{"verify", "--at", goodAt, "--any-enclave", good}
		for _, root := range roots {
			args = append(args, "--root", root)
		}
		return args
	}
	for name, v := range map[string]verdict{
		"one":            {under(file(t, own)), 0, "accepted"},
		"two files":      {under(file(t, own), awsRoot), 0, "accepted"},
		"the other way":  {under(awsRoot, file(t, own)), 0, "accepted"},
		"two in a file":  {under(file(t, both)), 0, "accepted"},
		"the same twice": {under(ownRoot, ownRoot), 0, "accepted"},
		"another":        {under(awsRoot), 1, notTrusted},
		"one is broken":  {under(ownRoot, file(t, own[:len(own)/2])), 2, "argument.roots"},
		"one is no root": {under(good), 2, "argument.roots"},
		"an empty file":  {under(file(t, "")), 2, "argument.roots"},
		"no such file":   {under(ownRoot, "/nonexistent"), 2, "/nonexistent"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v.check(t)
		})
	}
}

// broken breaks text into lines, as base64 and xxd do.
func broken(text, lineBreak string) string {
	var lines []string
	for line := range slices.Chunk([]byte(text), 76) {
		lines = append(lines, string(line))
	}
	return strings.Join(lines, lineBreak) + lineBreak
}

func TestVerifyRecognisesHowADocumentIsWritten(t *testing.T) {
	t.Parallel()
	document := content(t, good)
	hexadecimal, encoded := hex.EncodeToString(document), base64.StdEncoding.EncodeToString(document)
	for name, written := range map[string]string{
		"raw":                    string(document),
		"base64":                 encoded,
		"base64 unpadded":        base64.RawStdEncoding.EncodeToString(document),
		"base64 in lines":        broken(encoded, "\n"),
		"base64 in Windows's":    broken(encoded, "\r\n"),
		"base64 indented":        "  " + broken(encoded, "\n  "),
		"base64url":              base64.RawURLEncoding.EncodeToString(document),
		"base64url padded":       base64.URLEncoding.EncodeToString(document),
		"base64url in lines":     broken(base64.URLEncoding.EncodeToString(document), "\n"),
		"hexadecimal":            hexadecimal,
		"hexadecimal capitals":   strings.ToUpper(hexadecimal),
		"hexadecimal in lines":   broken(hexadecimal, "\n"),
		"hexadecimal in Windows": broken(hexadecimal, "\r\n"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			verdict{verifying("--any-enclave", file(t, written)), 0, "accepted"}.check(t)
			output, said, status := run(t, written, verifying("--any-enclave", "-")...)
			if !strings.Contains(output, "accepted") || said != "" || status != 0 {
				t.Errorf("standard input: %q, %q, exit status %d", output, said, status)
			}
			verdict{verifying("--any-enclave", file(t, written[:len(written)*3/4/8*8])), 1, "cbor.truncated"}.check(t)
		})
	}
}

// judged are documents with different ends, each with its report from capelib.
var judged = map[string]struct{ file, at, nonce string }{
	"accepted":    {good, goodAt, goodNonce},
	"other nonce": {good, goodAt, "00"},
	"clock":       {good, "2026-06-04T12:30:00.25Z", goodNonce},
	"slow clock":  {good, "2026-05-29T12:30:00.25Z", goodNonce},
	"expired":     {good, "2026-06-04T12:30:00.25Z", ""},
	"debug":       {debugMode, goodAt, ""},
	"no document": {ownRoot, goodAt, ""},
	"nothing":     {vectors + "empty.bin", goodAt, ""},
}

func reportOn(t *testing.T, path, at, nonce string) *capelib.Report {
	t.Helper()
	when, err := time.Parse(time.RFC3339, at)
	if err != nil {
		t.Fatal(err)
	}
	options := capelib.VerifyOptions{Policy: &capelib.Policy{Any: true}, AttestationRoots: content(t, ownRoot), Time: when}
	if nonce != "" {
		if options.Nonce, err = hex.DecodeString(nonce); err != nil {
			t.Fatal(err)
		}
	}
	report, _ := capelib.Verify(content(t, path), options)
	if report == nil {
		t.Fatal("no report")
	}
	return report
}

func TestVerifyPrintsTheReportAsJSON(t *testing.T) {
	t.Parallel()
	for name, c := range judged {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := reportOn(t, c.file, c.at, c.nonce)
			args := []string{"verify", "--json", "--root", ownRoot, "--any-enclave", "--at", c.at, c.file}
			if c.nonce != "" {
				args = append(args, "--nonce", c.nonce)
			}
			output, said, status := run(t, "", args...)
			if said != "" || (status == 0) != (want.Verdict == "accepted") || status > 1 {
				t.Errorf("%q, exit status %d", said, status)
			}
			decoder := json.NewDecoder(strings.NewReader(output))
			decoder.DisallowUnknownFields()
			var got capelib.Report
			if err := decoder.Decode(&got); err != nil {
				t.Fatal(err)
			}
			if _, err := decoder.Token(); err != io.EOF || !strings.HasSuffix(output, "}\n") {
				t.Errorf("more than a document, or less than a line: %v", err)
			}
			if !reflect.DeepEqual(&got, want) {
				t.Errorf("got %+v\nwant %+v", &got, want)
			}
		})
	}
}

func oneSpaced(text string) string { return strings.Join(strings.Fields(text), " ") }

func TestVerifyPrintsTheReportAsATable(t *testing.T) {
	t.Parallel()
	for name, c := range judged {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			report := reportOn(t, c.file, c.at, c.nonce)
			args := []string{"verify", "--root", ownRoot, "--any-enclave", "--at", c.at, c.file}
			if c.nonce != "" {
				args = append(args, "--nonce", c.nonce)
			}
			output, _, _ := run(t, "", args...)
			rows := make(map[string]string)
			for line := range strings.Lines(output) {
				name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
				rows[name] = oneSpaced(value)
			}
			want := map[string]string{
				"verdict": oneSpaced(report.Verdict + " " + report.Reason),
				"cause":   report.Cause, "remedy": report.Remedy, "module": report.ModuleID, "signed": report.Timestamp,
				"verified at": report.VerifiedAt, "root": report.RootSHA256, "PCR0": report.PCRs["0"], "PCR2": report.PCRs["2"],
			}
			for _, step := range report.Steps {
				want[step.Step] = oneSpaced(strings.ReplaceAll(step.Status, "_", " ") + " " + step.Detail)
			}
			for name, value := range want {
				if rows[name] != value {
					t.Errorf("the row %q is %q, want %q", name, rows[name], value)
				}
			}
			if skew, ok := rows["clock"]; ok != (report.ClockSkewSeconds != nil) || ok && !strings.Contains(skew, " by 259200 s") {
				t.Errorf("the row of the clock is %q", skew)
			}
		})
	}
}
