package service_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/libcape/libcape/capelib"
	"github.com/libcape/libcape/core/capekey"
	"github.com/libcape/libcape/core/enclave"
	"github.com/libcape/libcape/core/enclave/service"
	"github.com/libcape/libcape/core/enclave/store"
	"github.com/libcape/libcape/core/wire"
)

const patience = 60 * time.Second

// capeKeys are made once, in PKCS#8: each takes a second and more.
var capeKeys = sync.OnceValue(func() map[string][]byte {
	keys := map[string][]byte{}
	for _, user := range []string{"ada", "bob"} {
		key, err := rsa.GenerateKey(rand.Reader, capekey.KeyBits)
		if err != nil {
			panic(err)
		}
		if keys[user], err = x509.MarshalPKCS8PrivateKey(key); err != nil {
			panic(err)
		}
	}
	keys["local"] = keys["ada"]
	return keys
})

// world is an enclave with a service.
type world struct {
	t       *testing.T
	folder  string
	store   *store.Folder
	service *service.Service
	info    enclave.Info
	stop    func()
}

func python(t *testing.T) string {
	t.Helper()
	if named := os.Getenv("CAPE_PYTHON"); named != "" {
		return named
	}
	path, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("needs a python3 in PATH, or CAPE_PYTHON")
	}
	return path
}

// open starts an enclave on a data folder.
func open(t *testing.T, folder string, o service.Options) *world {
	t.Helper()
	kept, err := store.Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	for user, key := range capeKeys() {
		if _, err := kept.PutKey("cape/"+user, key); err != nil {
			t.Fatal(err)
		}
	}
	o.Store = kept
	s, err := service.New(o)
	if err != nil {
		t.Fatal(err)
	}
	e, err := enclave.Start(enclave.Options{Service: s, Python: python(t), Scratch: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, folder: folder, store: kept, service: s, info: e.Info()}
	w.stop = sync.OnceFunc(func() {
		if err := errors.Join(e.Close(), kept.Close()); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(w.stop)
	return w
}

func (w *world) options(token string) capelib.Options {
	return capelib.Options{
		URL: w.info.URL, Token: token, AttestationRoots: w.info.AttestationRoot,
		Policy: &capelib.Policy{Any: true}, Timeout: patience,
	}
}

func (w *world) token(user string, r wire.TokenRequest) string {
	w.t.Helper()
	token, err := w.service.CreateToken(user, r)
	if err != nil {
		w.t.Fatal(err)
	}
	return token
}

func function(t *testing.T, source string) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "function")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "app.py"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	return folder
}

const shout = "def cape_handler(data):\n    return data.upper()\n"

func (w *world) deploy(token, name, source string, public bool) *capelib.Deployed {
	w.t.Helper()
	deployed, err := capelib.Deploy(w.t.Context(), w.options(token), capelib.Deployment{Path: function(w.t, source), Name: name, Public: public})
	if err != nil {
		w.t.Fatal(err)
	}
	return deployed
}

func (w *world) run(token, reference, input string) (string, error) {
	o := w.options(token)
	o.Function = reference
	conn, err := capelib.Connect(w.t.Context(), o)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	output, err := conn.Invoke(w.t.Context(), []byte(input))
	return string(output), err
}

func (w *world) wantRun(token, reference, output string) {
	w.t.Helper()
	if got, err := w.run(token, reference, "abc"); err != nil || got != output {
		w.t.Errorf("%s gives %q, %v", reference, got, err)
	}
}

func wantReason(t *testing.T, err error, reason, text string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error, want %s", reason)
		return
	}
	if found := capelib.AsError(err); found.Reason != reason || !strings.Contains(found.Message, text) {
		t.Errorf("%s: %s, want %s with %q", found.Reason, found.Message, reason, text)
	}
}

func TestWhatIsDeployedRunsAgainAfterARestart(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	w := open(t, folder, service.Options{Auth: true})
	token := w.token("ada", wire.TokenRequest{})
	deployed := w.deploy(token, "shout", shout, false)
	w.wantRun(token, deployed.ID, "ABC")
	w.wantRun(token, "ada/shout", "ABC")
	o := w.options(token)
	o.Policy = &capelib.Policy{FunctionChecksum: deployed.Checksum}
	o.Function = "ada/shout"
	if conn, err := capelib.Connect(t.Context(), o); err != nil {
		t.Error(err)
	} else {
		_ = conn.Close()
	}
	kept, _, err := w.store.Code(deployed.ID)
	if err != nil {
		t.Fatal(err)
	}
	code, err := io.ReadAll(kept)
	_ = kept.Close()
	if err != nil || !capekey.IsCiphertext(code) || strings.Contains(string(code), "app.py") {
		t.Errorf("what is kept begins with %.20q, %v", code, err)
	}
	w.stop()
	w = open(t, folder, service.Options{Auth: true})
	w.wantRun(token, "ada/shout", "ABC")
	functions, err := capelib.List(t.Context(), w.options(token), 50, 0)
	if err != nil || len(functions) != 1 || functions[0].ID != deployed.ID || functions[0].Name != "ada/shout" || functions[0].CreatedAt.IsZero() {
		t.Errorf("%+v, %v", functions, err)
	}
	if err := capelib.Delete(t.Context(), w.options(token), deployed.ID); err != nil {
		t.Fatal(err)
	}
	for _, reference := range []string{deployed.ID, "ada/shout"} {
		_, err := w.run(token, reference, "")
		wantReason(t, err, "connect.function", "")
	}
	wantReason(t, capelib.Delete(t.Context(), w.options(token), deployed.ID), "connect.not_found", "")
}

func TestARedeploymentTakesTheNameAndTheOldIDStillRuns(t *testing.T) {
	t.Parallel()
	w := open(t, t.TempDir(), service.Options{})
	first := w.deploy("any", "f", shout, false)
	second := w.deploy("any", "f", "def cape_handler(data):\n    return data[::-1]\n", false)
	w.wantRun("any", "local/f", "cba")
	w.wantRun("any", first.ID, "ABC")
	if first.ID == second.ID {
		t.Error("both have one id")
	}
	w.wantNames("any", second.ID+" local/f", first.ID+" ")
	if err := capelib.Delete(t.Context(), w.options("any"), second.ID); err != nil {
		t.Fatal(err)
	}
	_, err := w.run("any", "local/f", "")
	wantReason(t, err, "connect.function", "")
	w.wantRun("any", first.ID, "ABC")
	w.wantNames("any", first.ID+" ")
}

// wantNames wants the list to have these ids, each with the name that leads to it.
func (w *world) wantNames(token string, wanted ...string) {
	w.t.Helper()
	list, err := capelib.List(w.t.Context(), w.options(token), 0, 0)
	var have []string
	for _, f := range list {
		have = append(have, f.ID+" "+f.Name)
	}
	if err != nil || !slices.Equal(have, wanted) {
		w.t.Errorf("the list is %q, %v; want %q", have, err, wanted)
	}
}

func TestATokenForOneFunctionRunsThatAlone(t *testing.T) {
	t.Parallel()
	w := open(t, t.TempDir(), service.Options{Auth: true})
	token := w.token("ada", wire.TokenRequest{})
	one, other := w.deploy(token, "one", shout, false), w.deploy(token, "other", shout, false)
	scoped, err := capelib.CreateToken(t.Context(), w.options(token), capelib.TokenRequest{Name: "for one", Function: one.ID})
	if err != nil {
		t.Fatal(err)
	}
	w.wantRun(scoped, one.ID, "ABC")
	w.wantRun(scoped, "ada/one", "ABC")
	_, err = w.run(scoped, other.ID, "")
	wantReason(t, err, "auth.rejected", "another function")
	_, err = capelib.List(t.Context(), w.options(scoped), 50, 0)
	wantReason(t, err, "auth.rejected", "")
	_, err = capelib.Deploy(t.Context(), w.options(scoped), capelib.Deployment{Path: function(t, shout)})
	wantReason(t, err, "auth.rejected", "")

	tokens, err := capelib.ListTokens(t.Context(), w.options(token))
	if err != nil || len(tokens) != 2 {
		t.Fatalf("%+v, %v", tokens, err)
	}
	record := tokens[0]
	if record.Name != "for one" || record.LastUsed == nil || record.CreatedAt.IsZero() || record.Expiry != nil {
		t.Errorf("%+v", record)
	}
	if err := capelib.DeleteToken(t.Context(), w.options(token), record.ID); err != nil {
		t.Fatal(err)
	}
	_, err = w.run(scoped, one.ID, "")
	wantReason(t, err, "auth.rejected", "revoked")
	w.wantRun(token, one.ID, "ABC")
}

func TestOthersSeeOnlyWhatIsPublic(t *testing.T) {
	t.Parallel()
	w := open(t, t.TempDir(), service.Options{Auth: true})
	ada, bob := w.token("ada", wire.TokenRequest{}), w.token("bob", wire.TokenRequest{})
	private, public := w.deploy(ada, "private", shout, false), w.deploy(ada, "public", shout, true)
	w.wantRun(bob, public.ID, "ABC")
	w.wantRun(bob, "ada/public", "ABC")
	_, err := w.run(bob, private.ID, "")
	wantReason(t, err, "connect.function", "")
	_, err = w.run(bob, "ada/private", "")
	wantReason(t, err, "connect.function", "")
	wantReason(t, capelib.Delete(t.Context(), w.options(bob), public.ID), "connect.not_found", "")
	if list, err := capelib.List(t.Context(), w.options(bob), 50, 0); err != nil || len(list) != 0 {
		t.Errorf("%+v, %v", list, err)
	}
	tokens, _ := capelib.ListTokens(t.Context(), w.options(ada))
	wantReason(t, capelib.DeleteToken(t.Context(), w.options(bob), tokens[0].ID), "connect.not_found", "")
	_, err = capelib.CreateToken(t.Context(), w.options(bob), capelib.TokenRequest{Function: private.ID})
	wantReason(t, err, "connect.not_found", "")
	_, err = capelib.Deploy(t.Context(), w.options(bob), capelib.Deployment{Path: function(t, shout), Name: "../ada/x"})
	if err == nil {
		t.Error("a name that leads elsewhere is taken")
	}
	ctx := context.Background()
	_, err = w.service.Deploy(ctx, enclave.Caller{User: "bob"}, enclave.Deployment{Name: "ada/public"})
	var refusal *enclave.Refusal
	if !errors.As(err, &refusal) || refusal.Status != http.StatusForbidden || !strings.Contains(refusal.Text, "taken") {
		t.Errorf("a name of another user: %v", err)
	}
}

func TestInputsAreEncryptedForTheFunctionsOwnerAlone(t *testing.T) {
	t.Parallel()
	w := open(t, t.TempDir(), service.Options{Auth: true})
	ada, bob := w.token("ada", wire.TokenRequest{}), w.token("bob", wire.TokenRequest{})
	w.deploy(ada, "f", shout, true)
	w.deploy(bob, "thief", shout, true)
	key, _, err := capelib.UserKey(t.Context(), w.options(""), "ada")
	if err != nil {
		t.Fatal(err)
	}
	own, _, err := capelib.Key(t.Context(), w.options(ada))
	if err != nil || string(own) != string(key) {
		t.Errorf("the two routes tell different keys, %v", err)
	}
	secret, err := capelib.Encrypt(key, []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := w.run(bob, "ada/f", string(secret)); err != nil || got != "SECRET" {
		t.Errorf("%q, %v", got, err)
	}
	_, err = w.run(bob, "bob/thief", string(secret))
	wantReason(t, err, "function.error", "cannot be decrypted")
	_, _, err = capelib.UserKey(t.Context(), w.options(""), "nobody")
	if err == nil {
		t.Error("a user whom nobody knows has a key")
	}
}

func TestWithoutAuthAnyTokenIsGoodButForTheServicesOwn(t *testing.T) {
	t.Parallel()
	w := open(t, t.TempDir(), service.Options{})
	deployed := w.deploy("whatever", "f", shout, false)
	for _, token := range []string{"", "x", "a.b.c", w.token("bob", wire.TokenRequest{})} {
		w.wantRun(token, deployed.ID, "ABC")
	}
	revoked := w.token("ada", wire.TokenRequest{})
	if err := capelib.DeleteToken(t.Context(), w.options(revoked), w.store.Tokens("ada")[0].ID); err != nil {
		t.Fatal(err)
	}
	_, err := w.run(revoked, deployed.ID, "")
	wantReason(t, err, "auth.rejected", "revoked")
}

func TestEachRouteAnswersAsClientsExpect(t *testing.T) {
	t.Parallel()
	w := open(t, t.TempDir(), service.Options{Auth: true})
	token := w.token("ada", wire.TokenRequest{})
	for i := range 3 {
		if _, err := w.service.Deploy(t.Context(), enclave.Caller{User: "ada"}, enclave.Deployment{Name: "f" + string(rune('0'+i))}); err != nil {
			t.Fatal(err)
		}
	}
	id := w.store.Functions("ada")[0].ID
	for _, c := range []struct {
		request, token, body string
		status               int
		want                 string
	}{
		{"GET /v1/functions?limit=2&offset=1", token, "", 200, `"CreatedAt":`},
		{"GET //v1/functions", token, "", 200, `"name":"ada/f2"`},
		{"GET /v1/functions?limit=-1", token, "", 400, "limit"},
		{"GET /v1/functions", "", "", 401, "a token is needed"},
		{"GET /v1/functions/" + id, token, "", 200, `"user_id":"ada"`},
		{"GET /v1/functions/nothing", token, "", 404, "no such function"},
		{"GET /v1/ada/function/f2", token, "", 200, id},
		{"GET /v1/bob/function/f2", token, "", 404, "no such function"},
		{"GET /v1/user/identity", token, "", 200, `"username":"ada"`},
		{"POST /v1/token", token, `{"name":"n","description":"d","function_id":"","expiry":"2999-01-01T00:00:00.000000001Z"}`, 201, `{"token":"`},
		{"POST /v1/token", token, `{"name":"n","description":"d","function_id":""}`, 201, `{"token":"`},
		{"POST /v1/token", token, `{"expiry":"1999-01-01T00:00:00Z"}`, 400, "expired already"},
		{"POST /v1/token", token, `{"function_id":"nothing"}`, 404, "no such function"},
		{"POST /v1/token", token, `[`, 400, "no JSON"},
		{"POST /v1/token", token, `{"description":"` + strings.Repeat("x", 5000) + `"}`, 400, "at most"},
		{"POST /v1/token", token, strings.Repeat("x", 70<<10), 400, "more than"},
		{"GET /v1/tokens", token, "", 200, `"created_at":`},
		{"DELETE /v1/token/nothing", token, "", 404, "no such token"},
		{"DELETE /v1/functions/nothing", token, "", 404, "no such function"},
		{"DELETE /v1/functions/" + id, token, "", 200, "{}"},
		{"GET /v1/functions/" + id, token, "", 404, "no such function"},
		{"POST /v1/marketplace_link_account", token, `{"customer_id":"x"}`, 501, "no marketplace"},
		{"PUT /v1/functions", token, "", 404, "no such route"},
		{"GET /v1/functions//", token, "", 404, "no such route"},
		{"GET /", token, "", 404, "no such route"},
	} {
		method, path, _ := strings.Cut(c.request, " ")
		request, err := http.NewRequestWithContext(t.Context(), method, strings.Replace(w.info.URL, "ws", "http", 1)+path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		if c.token != "" {
			request.Header.Set("Authorization", "Bearer "+c.token)
		}
		response, err := http.DefaultTransport.RoundTrip(request)
		if err != nil {
			t.Errorf("%s: %v", c.request, err)
			continue
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil || response.StatusCode != c.status || !strings.Contains(string(body), c.want) || !json.Valid(body) {
			t.Errorf("%s: %d %s (%v), want %d with %s", c.request, response.StatusCode, body, err, c.status, c.want)
		}
		var said struct{ Error, Message string }
		if c.status >= 400 && (json.Unmarshal(body, &said) != nil || said.Error == "" || said.Error != said.Message || len(body) > 1024) {
			t.Errorf("%s: %s", c.request, body)
		}
	}
}

func TestManyUsersMayNotHaveTheirKeysMadeByStrangers(t *testing.T) {
	t.Parallel()
	w := open(t, t.TempDir(), service.Options{Auth: true})
	if _, err := w.service.Key(t.Context(), "eve"); err == nil {
		t.Error("a stranger has a key made for whom nobody knows")
	}
	if _, err := w.store.Key("cape/eve"); err == nil {
		t.Error("it is kept")
	}
}

func TestAFunctionWhoseCodeIsDamagedIsAnErrorOfItsOwn(t *testing.T) {
	t.Parallel()
	w := open(t, t.TempDir(), service.Options{})
	sound := w.deploy("any", "sound", shout, false)
	for name, damage := range map[string]func(path string) error{
		"cut":     func(path string) error { return os.Truncate(path, 100) },
		"empty":   func(path string) error { return os.Truncate(path, 0) },
		"missing": os.Remove,
		"changed": func(path string) error {
			code, err := os.ReadFile(path)
			if err == nil {
				code[len(code)/2] ^= 1
				err = os.WriteFile(path, code, 0o600)
			}
			return err
		},
		"another's": func(path string) error {
			code, err := os.ReadFile(filepath.Join(w.folder, "functions", sound.ID+".cape"))
			if err == nil {
				err = os.WriteFile(path, code, 0o600)
			}
			return err
		},
	} {
		deployed := w.deploy("any", "damaged", "def cape_handler(data):\n    return data\n", false)
		if err := damage(filepath.Join(w.folder, "functions", deployed.ID+".cape")); err != nil {
			t.Fatal(err)
		}
		_, err := w.run("any", deployed.ID, "abc")
		if err == nil || !strings.Contains(err.Error(), "cannot be opened") || strings.Contains(err.Error(), w.folder) {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.wantRun("any", sound.ID, "ABC")
	w.stop()
	open(t, w.folder, service.Options{}).wantRun("any", sound.ID, "ABC")
}
