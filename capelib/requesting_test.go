package capelib_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/libcape/libcape/capelib"
	"github.com/libcape/libcape/core/transport"
)

// requestOptions are those of a request to the service, with more members.
func (s *service) requestOptions(more map[string]any) []byte {
	all := map[string]any{"url": s.url, "token": "header.payload.signature"}
	switch more["request"] {
	case "key", "deploy", "test":
		all["policy"], all["attestation_roots"] = "any", string(s.root)
	}
	for name, value := range more {
		all[name] = value
	}
	encoded, err := json.Marshal(all)
	if err != nil {
		s.t.Fatal(err)
	}
	return encoded
}

func TestARequestThatIsNoneIsRefusedBeforeAnythingIsSent(t *testing.T) {
	t.Parallel()
	s := startService(t)
	for name, c := range map[string]struct {
		options map[string]any
		input   string
		reason  string
	}{
		"none named":                 {map[string]any{}, "", "argument.options"},
		"another":                    {map[string]any{"request": "run"}, "", "argument.options"},
		"an option of another":       {map[string]any{"request": "list", "path": "."}, "", "argument.options"},
		"an option of a connect":     {map[string]any{"request": "key", "reconnect": true}, "", "argument.options"},
		"a policy without a use":     {map[string]any{"request": "delete", "id": "x", "policy": "any"}, "", "argument.options"},
		"an input without a use":     {map[string]any{"request": "list"}, "x", "argument.input"},
		"an input beyond the limit":  {map[string]any{"request": "test", "path": "."}, strings.Repeat("x", capelib.MaxInput+1), "limit.input"},
		"a limit that is a text":     {map[string]any{"request": "list", "limit": "5"}, "", "argument.options"},
		"an expiry that is no time":  {map[string]any{"request": "token_create", "expiry": "tomorrow"}, "", "argument.options"},
		"a policy that pins nothing": {map[string]any{"request": "key", "policy": map[string]any{}}, "", "argument.policy_empty"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			started, err := capelib.StartRequest(s.requestOptions(c.options), []byte(c.input), nil)
			if err == nil {
				_, err = started.Result()
			}
			wantError(t, err, capelib.NewError(c.reason, "").Code, c.reason)
		})
	}
}

func TestADeploymentTellsItsProgressAndItsEnd(t *testing.T) {
	t.Parallel()
	s := startService(t)
	arrived, _ := s.takes()
	ended := make(chan bool, 2)
	folder := functionFolder(t, "mirror", "data", strings.Repeat("x", 100_000))
	started, err := capelib.StartRequest(s.requestOptions(map[string]any{"request": "deploy", "path": folder, "public": true}), nil, func() { ended <- true })
	if err != nil {
		t.Fatal(err)
	}
	output, err := started.Result()
	if err != nil {
		t.Fatal(err)
	}
	var deployed struct {
		ID, Name, Checksum string
		Report             capelib.Report
	}
	if err := json.Unmarshal(output, &deployed); err != nil {
		t.Fatal(err)
	}
	if deployed.ID != "HV2qsP5hWcXDMwGMqNTJ7Z" || deployed.Name != "mirror" || len(deployed.Checksum) != 64 || deployed.Report.Verdict != "accepted" {
		t.Errorf("%s", output)
	}
	if got := <-arrived; !got.deployment.Public {
		t.Error("it is not public")
	}
	if p := started.Progress(); p.Sent != p.ToSend || p.Sent < 100_000 {
		t.Errorf("%+v at the end", p)
	}
	if <-ended; len(ended) != 0 {
		t.Error("the end was told more than once")
	}
}

func TestARequestIsCancelledInWhateverItWaitsFor(t *testing.T) {
	t.Parallel()
	s := startService(t)
	held, asked := make(chan bool), make(chan bool)
	t.Cleanup(func() { close(held) })
	s.routes.HandleFunc("/v1/functions", func(http.ResponseWriter, *http.Request) { asked <- true; <-held })
	s.attested("/v1/test", "", func(conn *transport.Conn, _ []string) {
		for range 2 { // the function and its input
			if _, _, err := conn.Read(); err != nil {
				s.t.Error(err)
			}
		}
		asked <- true
		<-held
	})
	for name, c := range map[string]struct {
		options map[string]any
		reason  string
	}{
		"an answer":            {map[string]any{"request": "list"}, "cancelled.not_sent"},
		"the result of a test": {map[string]any{"request": "test", "path": functionFolder(t, "f")}, "cancelled.outcome_unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			started, err := capelib.StartRequest(s.requestOptions(c.options), nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			select {
			case <-started.Done():
				t.Fatal("it has ended")
			case <-asked:
			}
			if p := started.Progress(); c.options["request"] == "test" && (p.Sent != p.ToSend || p.Sent == 0) {
				t.Errorf("%+v when all has arrived", p)
			}
			started.Cancel()
			started.Cancel()
			_, err = started.Result()
			wantError(t, err, capelib.CodeCancelled, c.reason)
		})
	}
}
