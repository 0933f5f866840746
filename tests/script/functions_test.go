package script

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/libcape/libcape/capelib"
	"github.com/libcape/libcape/core/enclave/store"
)

// running is a process of 'cape enclave' with a data folder.
type running struct {
	URL             string            `json:"url"`
	AttestationRoot string            `json:"attestation_root"`
	PCRs            map[string]string `json:"pcrs"`
	Token           string            `json:"token"` // a file
}

// serveData starts the command on a data folder in which the Cape key is there already: making one
// takes seconds.
func serveData(t *testing.T, python string, flags ...string) *running {
	t.Helper()
	data := filepath.Join(t.TempDir(), "data")
	kept, err := store.Open(data)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kept.PutKey("cape/"+user, secrets().cape); err != nil {
		t.Fatal(err)
	}
	if err := kept.Close(); err != nil {
		t.Fatal(err)
	}
	flags = append([]string{"enclave", "--data", data, "--auth", "--user", user, "--python", python}, flags...)
	command := exec.Command(absolute(t, "build/cape"), flags...)
	r := new(running)
	var log bytes.Buffer
	command.Stderr = &log
	output, err := command.StdoutPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		_ = command.Wait()
	})
	line, err := bufio.NewReader(output).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, r)
	}
	if err != nil {
		_ = command.Process.Kill()
		t.Fatalf("%v: %s", err, log.String())
	}
	return r
}

// cape runs the command against the enclave, and gives what it prints.
func (r *running) cape(t *testing.T, args ...string) (output, said string, err error) {
	t.Helper()
	token, err := os.ReadFile(r.Token)
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(absolute(t, "build/cape"), args...)
	command.Env = []string{"CAPE_ENCLAVE_HOST=" + r.URL, "CAPE_ATTESTATION_ROOT=" + r.AttestationRoot, "CAPE_TOKEN=" + string(token)}
	var out, messages bytes.Buffer
	command.Stdout, command.Stderr = &out, &messages
	err = command.Run()
	return out.String(), messages.String(), err
}

// deploy gives the function's id and the checksum.
func (r *running) deploy(t *testing.T, folder string) (id, checksum string) {
	t.Helper()
	output, said, err := r.cape(t, "deploy", folder, "--pcr", "0:"+r.PCRs["0"])
	if err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	fields := strings.Fields(output)
	return fields[1], fields[3]
}

func (r *running) connect(t *testing.T, function string) *capelib.Conn {
	t.Helper()
	token, err := os.ReadFile(r.Token)
	if err != nil {
		t.Fatal(err)
	}
	roots, err := os.ReadFile(r.AttestationRoot)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := capelib.Connect(context.Background(), capelib.Options{
		URL: r.URL, Function: function, Token: string(token), AttestationRoots: roots, Policy: &capelib.Policy{Any: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// call is one input of a function, and what has to come of it: the output, or a part of the error.
type call struct{ input, output, err string }

// samples are the calls of one connection each.
var samples = map[string][]call{
	"echo": {{"", "", ""}, {"\x00\xff", "\x00\xff", ""}},
	"isprime": {
		{"97", "true", ""}, {"1", "false", ""}, {"0", "false", ""}, {"2\n", "true", ""},
		{"561", "false", ""}, {"3215031751", "false", ""}, // pass simpler tests
		{"999999999999999999999743", "true", ""}, {"999999999999999999999741", "false", ""},
		{"", "", "such as 97"}, {"-7", "", "such as 97"}, {"7.0", "", "such as 97"}, {"٧", "", "such as 97"}, {"\xff", "", "such as 97"},
		{strings.Repeat("9", 25), "", "25 digits: give one of 24 at most"}, {strings.Repeat("9", 1<<20), "", "1048576 digits"},
		{"97", "true", ""},
	},
	"mortgage": {
		{`{"income": 5000, "debts": 300, "price": 250000, "deposit": 50000, "years": 25, "rate": 3.5}`, `{"granted": true, "payment": 1001.25, "reasons": []}`, ""},
		{`{"income": 3000, "debts": 300, "price": 250000, "deposit": 10000, "years": 20, "rate": 0}`, `{"granted": false, "payment": 1000.0, "reasons": ["the loan is more than 80% of the price", "more than 36% of the income would be owed"]}`, ""},
		{"", "", "not JSON"}, {"{", "", "not JSON"}, {"\xff", "", "not JSON"}, {"[]", "", "not an object with the members income"}, {"{}", "", "not an object"},
		{`{"income": "5000", "debts": 300, "price": 250000, "deposit": 50000, "years": 25, "rate": 3.5}`, "", "income is not a number"},
		{`{"income": true, "debts": 300, "price": 250000, "deposit": 50000, "years": 25, "rate": 3.5}`, "", "income is not a number"},
		{`{"income": NaN, "debts": 300, "price": 250000, "deposit": 50000, "years": 25, "rate": 3.5}`, "", "income is not a number"},
		{`{"income": 1, "debts": 300, "price": 250000, "deposit": 50000, "years": 1e400, "rate": 3.5}`, "", "years is not a number from 1 to 50"},
		{`{"income": 1, "debts": 300, "price": 0, "deposit": 0, "years": 25, "rate": 3.5}`, "", "price is not a number from 1"},
		{strings.Repeat("[", 9_000), "", "not JSON"}, {strings.Repeat(" ", 1<<20), "", "1048576 bytes"},
	},
	"statistics": {
		{`{"args": [[1, 2, 3, 4, 10]]}`, `{"count":5,"mean":4.0,"median":3.0,"deviation":3.1622776601683795,"least":1.0,"most":10.0,"percentiles":{"25":2.0,"50":3.0,"75":4.0},"histogram":[2,2,0,0,1]}`, ""},
		{`{"args": [[1, 2.5], [10]], "kwargs": {"bins": 1}}`, `{"count":2,"mean":1.75,"median":1.75,"deviation":0.75,"least":1.0,"most":2.5,"percentiles":{"10":1.15},"histogram":[2]}`, ""},
		{`{"args": [[]]}`, "", "not a list of 1 to 1000000 numbers"}, {`{"args": [7]}`, "", "not a list"}, {`{"args": []}`, "", ""},
		{`{"args": [["1"]]}`, "", "not a number"}, {`{"args": [[true]]}`, "", "not a number"}, {`{"args": [[[1], [2, 3]]]}`, "", "not a number"},
		{`{"args": [[1], [101]]}`, "", "from 0 to 100"}, {`{"args": [[1], [50], 0]}`, "", "from 1 to 1000"}, {`{"args": [[1], [50], 1000000000]}`, "", "from 1 to 1000"},
		{`{"args": [[0` + strings.Repeat(",0", 1_000_000) + `]]}`, "", "not a list of 1 to 1000000 numbers"},
	},
	"secretlist": {
		{"amber", `{"listed": true}`, ""}, {" Quartz\n", `{"listed": true}`, ""},
		{"ember", `{"listed": false, "letters": 1}`, ""}, {"bazalts", `{"listed": false, "letters": 2}`, ""}, {"granit", `{"listed": false, "letters": 3}`, ""},
		{"photograph", `{"listed": false, "letters": null}`, ""},
		{"", "", "1 to 64 letters"}, {"two words", "", "1 to 64 letters"}, {"../words", "", "1 to 64 letters"}, {"\xff", "", "not text in UTF-8"}, {strings.Repeat("a", 1<<20), "", "1 to 64 letters"},
	},
	"tictactoe": {
		{"5", `{"board": "o...x....", "game": "open"}`, ""}, {"5", "", "cell 5 is taken"}, {"1", "", "cell 1 is taken"},
		{"2", `{"board": "ox..x..o.", "game": "open"}`, ""}, {"3", `{"board": "oxx.x.oo.", "game": "open"}`, ""},
		{"", "", "give a cell from 1 to 9"}, {"0", "", "give a cell"}, {"10", "", "give a cell"}, {"x", "", "give a cell"}, {"\xff", "", "give a cell"}, {strings.Repeat("5", 1<<20), "", "give a cell"},
		{"6", `{"board": "oxxoxxoo.", "game": "lost"}`, ""}, {"4", "", "the game is over"},
		{"new", `{"board": ".........", "game": "open"}`, ""}, {"1", `{"board": "x...o....", "game": "open"}`, ""},
	},
}

// TestSampleFunctions deploys each as a user would, and calls it with what it is for and with what
// it is not: every call is on one connection, which no error ends.
func TestSampleFunctions(t *testing.T) {
	t.Parallel()
	enclave := serveData(t, absolute(t, "build/venv/bin/python"))
	for name, calls := range samples {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			id, checksum := enclave.deploy(t, absolute(t, "tests/functions/"+name))
			conn := enclave.connect(t, id)
			for _, c := range calls {
				output, err := sample(conn, name, c.input)
				switch {
				case c.err == "" && c.output != "" || name == "echo":
					if err != nil || output != c.output {
						t.Errorf("%.100q gives %q, %v", c.input, output, err)
					}
				case err == nil || !strings.Contains(err.Error(), c.err) || capelib.AsError(err).Code != capelib.CodeFunction:
					t.Errorf("%.100q gives %q, %v; not an error with %q", c.input, output, err, c.err)
				}
			}
			// What its own description shows, with the command.
			args := []string{"run", user + "/" + name, calls[0].input, "--function-checksum", checksum}
			if name == "statistics" {
				args = []string{"run", user + "/" + name, "--args", calls[0].input, "--function-checksum", checksum}
			}
			if output, said, err := enclave.cape(t, args...); err != nil || strings.TrimSpace(output) != calls[0].output {
				t.Errorf("the command prints %q, %q, %v", output, said, err)
			}
		})
	}
}

// TestNumpyFitsTheLimits is about a machine with many processors, on which it would by itself start a
// thread for each and take memory for each of these. It starts none while it is imported, but for
// those that it is told of here.
func TestNumpyFitsTheLimits(t *testing.T) {
	t.Parallel()
	enclave := serveData(t, absolute(t, "build/venv/bin/python"))
	folder := filepath.Join(t.TempDir(), "threads")
	const source = "import numpy, os\ndef cape_handler(data):\n    return os.environ[data.decode()]\n"
	if err := errors.Join(os.Mkdir(folder, 0o700), os.WriteFile(filepath.Join(folder, "app.py"), []byte(source), 0o600)); err != nil {
		t.Fatal(err)
	}
	id, _ := enclave.deploy(t, folder)
	conn := enclave.connect(t, id)
	for _, name := range []string{"OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"} {
		if output, err := conn.Invoke(context.Background(), []byte(name)); err != nil || string(output) != "4" {
			t.Errorf("%s is %q, %v", name, output, err)
		}
	}
}

// sample calls a function with bytes, or where it is made with serdio with values in JSON.
func sample(conn *capelib.Conn, name, input string) (string, error) {
	data, err := []byte(input), error(nil)
	if name == "statistics" {
		if data, err = capelib.SerdioEncode(data); err != nil {
			return "", err
		}
	}
	output, err := conn.Invoke(context.Background(), data)
	if err == nil && name == "statistics" {
		output, err = capelib.SerdioDecode(output)
	}
	return string(output), err
}
