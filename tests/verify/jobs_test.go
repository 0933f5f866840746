package verify

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/libcape/libcape/tests/abi/built"
)

// job is a document, what to hold it against, and what has to come of it.
type job struct {
	name    string
	file    string // absolute
	options options
	accept  bool
	reason  string // of the refusal, where the manifest says
}

// options are those of cape_verify, by its names.
type options struct {
	Policy           json.RawMessage `json:"policy"`
	AttestationRoots string          `json:"attestation_roots,omitempty"`
	Nonce            string          `json:"nonce,omitempty"`
	PublicKeyLength  int             `json:"public_key_length,omitempty"`
	Time             string          `json:"time,omitempty"`
	AtDocumentTime   bool            `json:"at_document_time,omitempty"`
}

// entry is a line of a manifest, of ours or of those that lie beside the project.
type entry struct {
	Name, File, SHA256, Root, Time, Nonce, Expect, Reason string

	PublicKeyLength int             `json:"public_key_length"`
	Policy          json.RawMessage `json:"policy"`
}

// ownJobs are the documents that the project carries.
func ownJobs(t *testing.T) []job {
	t.Helper()
	folder := built.Path("tests", "vectors", "attest")
	var jobs []job
	for _, e := range readManifest(t, folder) {
		jobs = append(jobs, newJob(t, folder, e))
	}
	return jobs
}

// sharedVectors is where documents of other publishers lie, which the project does not carry.
var sharedVectors = built.Path("..", "shared", "vectors")

// sharedJobs are the documents of other publishers, and none where they are not there.
func sharedJobs(t *testing.T) []job {
	t.Helper()
	if _, err := os.Stat(sharedVectors); err != nil {
		return nil
	}
	var jobs []job
	for _, name := range []string{"nitro", "nitro-negative"} {
		folder := filepath.Join(sharedVectors, name)
		for _, e := range readManifest(t, folder) {
			e.Name, e.Policy = name+"/"+e.File, json.RawMessage(`{"any":true,"allow_debug":true}`)
			if name == "nitro" {
				e.Root, e.Time = "aws", "document"
			}
			jobs = append(jobs, newJob(t, folder, e))
		}
	}
	return jobs
}

func readManifest(t *testing.T, folder string) []entry {
	t.Helper()
	var entries []entry
	if err := json.Unmarshal(readFile(t, filepath.Join(folder, "manifest.json")), &entries); err != nil {
		t.Fatal(err)
	}
	return entries
}

func newJob(t *testing.T, folder string, e entry) job {
	t.Helper()
	j := job{
		name: e.Name, file: filepath.Join(folder, e.File), accept: e.Expect == "accept", reason: e.Reason,
		options: options{Policy: e.Policy, Nonce: e.Nonce, PublicKeyLength: e.PublicKeyLength},
	}
	if sum := sha256.Sum256(readFile(t, j.file)); hex.EncodeToString(sum[:]) != e.SHA256 {
		t.Fatalf("%s is not the file of the manifest", j.file)
	}
	if e.Root != "aws" {
		j.options.AttestationRoots = string(readFile(t, filepath.Join(folder, e.Root)))
	}
	if j.options.AtDocumentTime = e.Time == "document"; !j.options.AtDocumentTime {
		at, err := time.Parse(time.RFC3339, e.Time)
		if err != nil {
			t.Fatal(err)
		}
		j.options.Time = at.Format("2006-01-02T15:04:05.000-07:00") // Python 3.10 reads no other form
	}
	return j
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}
