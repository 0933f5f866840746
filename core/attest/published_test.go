package attest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// publishedVectors is where the forgeries lie as files, for other implementations and for the
// bindings' tests. Its README says what the manifest's fields mean.
const publishedVectors = "../../tests/vectors/attest"

var update = flag.Bool("update", false, "write the files of "+publishedVectors+" anew")

type publishedVector struct {
	Name            string          `json:"name"`
	File            string          `json:"file"`
	SHA256          string          `json:"sha256"`
	Root            string          `json:"root"`
	Time            string          `json:"time"`
	Nonce           string          `json:"nonce,omitempty"`
	PublicKeyLength int             `json:"public_key_length,omitempty"`
	Policy          json.RawMessage `json:"policy"`
	Expect          string          `json:"expect"`
	Reason          string          `json:"reason,omitempty"`
	Why             string          `json:"why"`
}

const publishedRoot = "root.pem"

// publish lists the forgeries as they are published, and their files by name. Equal documents are
// one file.
func publish(t *testing.T) ([]publishedVector, map[string][]byte) {
	t.Helper()
	files := map[string][]byte{
		publishedRoot: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: testRoots()[0]}),
	}
	byContent := make(map[string]string)
	var vectors []publishedVector
	for _, f := range allForgeries() {
		document := f.document(t)
		file, known := byContent[string(document)]
		if !known {
			file = f.name + ".bin"
			byContent[string(document)], files[file] = file, document
		}
		sum := sha256.Sum256(document)
		vector := publishedVector{
			Name: f.name, File: file, SHA256: hex.EncodeToString(sum[:]), Root: publishedRoot, Time: "document",
			Nonce: hex.EncodeToString(f.nonce), PublicKeyLength: f.keyLength, Policy: json.RawMessage(f.policyJSON()),
			Expect: "accept", Reason: f.reason, Why: f.why,
		}
		if !f.atDocumentTime {
			vector.Time = f.time().Format(time.RFC3339Nano)
		}
		if f.reason != "" {
			vector.Expect = "refuse"
		}
		vectors = append(vectors, vector)
	}
	manifest := []byte("[\n")
	for i, vector := range vectors {
		line, err := json.Marshal(vector)
		if err != nil {
			t.Fatal(err)
		}
		if manifest = append(manifest, line...); i < len(vectors)-1 {
			manifest = append(manifest, ',')
		}
		manifest = append(manifest, '\n')
	}
	files["manifest.json"] = append(manifest, "]\n"...)
	return vectors, files
}

func TestPublishedForgeriesAreTheGeneratedOnes(t *testing.T) {
	_, files := publish(t)
	if *update {
		old, err := filepath.Glob(filepath.Join(publishedVectors, "*.bin"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range old {
			if err := os.Remove(name); err != nil {
				t.Fatal(err)
			}
		}
		for name, content := range files {
			if err := os.WriteFile(filepath.Join(publishedVectors, name), content, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(publishedVectors, name))
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%s is not what this test makes; if that is meant, run go test ./core/attest -run Published -update: %v", name, err)
		}
	}
	if present, err := filepath.Glob(filepath.Join(publishedVectors, "*.bin")); err != nil || len(present) != len(files)-2 {
		t.Errorf("%d documents lie there, %d are made: %v", len(present), len(files)-2, err)
	}
}

func TestVerifyDecidesPublishedForgeries(t *testing.T) {
	t.Parallel()
	read := func(name string) []byte {
		content, err := os.ReadFile(filepath.Join(publishedVectors, name))
		if err != nil {
			t.Fatal(err)
		}
		return content
	}
	var vectors []publishedVector
	if err := DecodeJSON(read("manifest.json"), &vectors); err != nil {
		t.Fatal(err)
	}
	refused := 0
	for _, vector := range vectors {
		document := read(vector.File)
		if sum := sha256.Sum256(document); hex.EncodeToString(sum[:]) != vector.SHA256 {
			t.Errorf("%s is not the file of the manifest", vector.File)
		}
		roots, err := ParseRoots(read(vector.Root))
		if err != nil {
			t.Fatal(err)
		}
		policy, err := ParsePolicy(vector.Policy)
		if err != nil {
			t.Fatal(err)
		}
		options := Options{Roots: roots, Policy: policy, PublicKeyLength: vector.PublicKeyLength}
		if vector.Nonce != "" {
			if options.Nonce, err = hex.DecodeString(vector.Nonce); err != nil {
				t.Fatal(err)
			}
		}
		if options.AtDocumentTime = vector.Time == "document"; !options.AtDocumentTime {
			if options.Time, err = time.Parse(time.RFC3339, vector.Time); err != nil {
				t.Fatal(err)
			}
		}
		_, report, err := Verify(document, options)
		if (err == nil) != (vector.Expect == "accept") || report.Reason != vector.Reason {
			t.Errorf("%s: %s %q expected, got %v", vector.Name, vector.Expect, vector.Reason, err)
		}
		if err != nil {
			refused++
		}
	}
	if refused < 100 {
		t.Errorf("only %d forgeries", refused)
	}
}
