package suite

import (
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/libcape/libcape/tests/abi/built"
)

// quiet argues for each goroutine whose end by a panic no call is told of.
var quiet = map[string]string{
	"capelib/connect.go:attest":            "closes the socket when the caller gives up, and reading ends at the deadline besides",
	"capelib/requesting.go:Cancel":         "ends a request that does not notice that it was cancelled, which all do",
	"capelib/connecting.go:StartConnect":   "is a second watch on the deadline, which the connect keeps by itself",
	"capelib/session.go:close":             "says goodbye to the enclave, which sees the end of the connection anyway",
	"core/enclave/enclave.go:Close":        "waits for sessions to end and removes files; Close does not wait for it for ever",
	"core/enclave/output.go:copy":          "copies what a function prints to a log",
	"core/enclave/output.go:copy round":    "copies what a function prints to a log",
	"core/enclave/session.go:run":          "closes the socket when the session is over, as does what follows",
	"core/enclave/control.go:listen round": "hears what a sandbox tells of itself; the worker's own socket tells of its end too",
	"core/enclave/rpc.go:attend":           "attends to the socket for cape_encrypt, whose caller sees it end",
	"core/enclave/rpc.go:attend round":     "attends to the socket for cape_encrypt, whose caller sees it end",
	"core/enclave/workers.go:judge":        "writes to the log what a sandbox lacks",
	"core/enclave/workers.go:startNext":    "starts a worker ahead: without one, the next session starts its own",
	"core/enclave/worker.go:kill 2":        "ends a process that was started ahead, as does closing the worker",
	"core/enclave/worker.go:kill":          "ends a process at the end of its session, as does closing the worker",
	"core/enclave/worker.go:watch":         "waits for the end of a process, whose socket tells of it too",
	"core/transport/conn.go:pong":          "answers a ping: whoever sent it may take the silence for an end",
	"core/transport/dial.go:Dial":          "ends a handshake when the caller gives up, which the handshake's deadline does besides",
}

// early are those of a worker that is started ahead, and may end before or after it is needed.
var early = []string{"core/enclave/control.go:listen", "core/enclave/control.go:listen round", "core/enclave/worker.go:watch",
	"core/enclave/worker.go:kill", "core/enclave/worker.go:kill 2", "core/enclave/workers.go:startNext", "core/enclave/workers.go:judge"}

// elsewhere says where a goroutine is made to panic that no C program can start.
var elsewhere = map[string]string{
	"capelib/deploy.go:Deploy":            "needs a service: capelib has tests with one",
	"capelib/route.go:awaitReply":         "needs a service: capelib has tests with one",
	"capelib/trial.go:Run":                "needs a service: capelib has tests with one",
	"capelib/redial.go:redial round 2":    "for callers whose attempt failed, as the round before is for those whose did not",
	"capelib/session.go:forget":           "needs a peer that takes nothing: capelib has tests with one",
	"core/enclave/archives.go:release":    "local enclaves have no functions that were deployed",
	"core/enclave/reply.go:digest":        "for signed results alone: core/enclave has a test of it",
	"core/enclave/rpc.go:attend 2":        "needs a function that calls cape_encrypt: core/enclave has tests with one",
	"core/enclave/rpc.go:attend 3":        "needs a function that calls cape_encrypt: core/enclave has tests with one",
	"core/enclave/worker.go:kill 3":       "needs a process that does not end at once: core/enclave has tests of hostile ones",
	"core/enclave/session.go:attestLater": "is for routes that may have to make a key first, which takes seconds",
	"core/enclave/upload.go:hurry":        "needs a service: core/enclave has a test of uploads that are slow",
	"core/enclave/upload.go:hurry round":  "needs a service: core/enclave has a test of uploads that are slow",
	"core/enclave/runner.go:invoke":       "handlers in Go: core/enclave has a test of one that panics",
}

// stalled are places where another goroutine has to be held up for the first one to begin.
var stalled = map[string]string{
	// The watch on the deadline of a connect, which the connect keeps by itself otherwise.
	"capelib/connecting.go:StartConnect": "capelib/connecting.go:StartConnect 2",
}

// soonest is for loops that go around once only; others panic in their second round.
var soonest = []string{"capelib/redial.go:redial round"}

// seen says what a panic in a place has to be noticed by.
func (p place) seen() string {
	switch {
	case slices.Contains(early, p.name):
		return "either"
	case quiet[p.name] != "":
		return "quiet"
	case strings.HasPrefix(p.name, "core/enclave/"): // which only the peer of the connection can tell of
		return "error"
	}
	return "panic"
}

func TestPanicsStayInside(t *testing.T) {
	t.Parallel()
	library := t.TempDir()
	s := sabotage(t)
	if t.Failed() {
		return
	}
	s.build(library)
	host := compile(t, []string{"-L" + library, "-lcape", "-Wl,-rpath," + library, "-pthread"}, "tests/c/panic.c")

	names := map[string]bool{}
	var exports, goroutines []string
	for _, p := range s.places {
		names[p.name] = true
		nth := "1"
		if p.loop && !slices.Contains(soonest, p.name) {
			nth = "2"
		}
		switch {
		case p.export != "":
			exports = append(exports, p.export)
		case elsewhere[p.name] == "":
			goroutines = append(goroutines, p.name, nth, p.seen(), stalled[p.name])
		}
	}
	for _, export := range exports {
		t.Run(export, func(t *testing.T) {
			t.Parallel()
			host.run(t, built.Python(t), ownFunctions(t), "export", export)
		})
	}
	for some := range slices.Chunk(goroutines, 4*6) {
		t.Run(some[0], func(t *testing.T) {
			t.Parallel()
			host.run(t, append([]string{built.Python(t), ownFunctions(t), "goroutine"}, some...)...)
		})
	}
	for _, listed := range append(slices.Clone(soonest), slices.Concat(keys(quiet), keys(elsewhere), keys(stalled))...) {
		if !names[listed] {
			t.Errorf("%s is no place that can panic any more: take it off the list", listed)
		}
	}
	if declared := intoGo(t); !slices.Equal(slices.Sorted(slices.Values(exports)), declared) {
		t.Errorf("the functions that can panic are %q, those of cape.h that call Go %q", exports, declared)
	}
}

func keys(of map[string]string) (names []string) {
	for name := range of {
		names = append(names, name)
	}
	return names
}

// intoGo are the functions of cape.h but for those that are C alone.
func intoGo(t *testing.T) []string {
	t.Helper()
	header, err := os.ReadFile(built.Path("include", "cape.h"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, match := range regexp.MustCompile(`(?m)^CAPE_API int32_t (cape_[a-z_]+)\(`).FindAllStringSubmatch(string(header), -1) {
		if name := match[1]; name != "cape_version" && name != "cape_buf_free" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func TestTheLibraryHasNothingThatPanicsOnDemand(t *testing.T) {
	t.Parallel()
	library, err := os.ReadFile(built.Library(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, trace := range []string{"cape_test_", "sabotage", "Sabotage"} {
		if bytes.Contains(library, []byte(trace)) {
			t.Errorf("the library contains %q", trace)
		}
	}
	list := exec.Command("go", "list", "-deps", "./export")
	list.Dir = built.Root()
	if packages := run(t, list); strings.Contains(packages, "/tests/") || !strings.Contains(packages, "/capelib\n") {
		t.Errorf("the library is made of packages that only tests need:\n%s", packages)
	}
}
