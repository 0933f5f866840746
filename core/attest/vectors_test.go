package attest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// sharedVectors is where documents of other publishers lie, which this project does not carry.
const sharedVectors = "../../../shared/vectors"

type sharedVector struct {
	File, SHA256, Root, Time, Expect, Why string
	TimestampMS                           int64  `json:"timestamp_ms"`
	DebugMode                             bool   `json:"debug_mode"`
	ModuleID                              string `json:"module_id"`
	PCR0                                  string
}

func readSharedVectors(t testing.TB, folder string) []sharedVector {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(sharedVectors, folder, "manifest.json"))
	if err != nil {
		t.Skipf("left out: needs %s/%s", sharedVectors, folder)
	}
	var vectors []sharedVector
	if err := json.Unmarshal(raw, &vectors); err != nil {
		t.Fatal(err)
	}
	return vectors
}

func readShared(t testing.TB, folder, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(sharedVectors, folder, file))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestVerifyDecidesPublishedDocumentsAtTheirOwnTime(t *testing.T) {
	t.Parallel()
	vectors := readSharedVectors(t, "nitro")
	if len(vectors) < 64 {
		t.Fatalf("only %d documents", len(vectors))
	}
	for _, vector := range vectors {
		t.Run(vector.File, func(t *testing.T) {
			t.Parallel()
			document := readShared(t, "nitro", vector.File)
			for _, options := range []Options{
				{AtDocumentTime: true},
				{Time: time.UnixMilli(vector.TimestampMS)},
			} {
				options.Policy = &Policy{Any: true, AllowDebug: true}
				doc, report, err := Verify(document, options)
				if (err == nil) != (vector.Expect == "accept") {
					t.Fatalf("expected %s, got %v", vector.Expect, err)
				}
				if err != nil {
					t.Logf("%s: %v", report.Reason, err)
					continue
				}
				if got := hex.EncodeToString(doc.PCRs[0]); got != vector.PCR0 || report.PCRs["0"] != got {
					t.Errorf("PCR0 %s", got)
				}
				if doc.Timestamp.UnixMilli() != vector.TimestampMS || report.TimestampMS != vector.TimestampMS {
					t.Errorf("timestamp %v", doc.Timestamp)
				}
				if report.DebugMode != vector.DebugMode {
					t.Errorf("debug mode %v", report.DebugMode)
				}
				options.Policy = &Policy{Any: true}
				_, report, err = Verify(document, options)
				if (err != nil) != vector.DebugMode || vector.DebugMode && report.Reason != "policy.debug_mode" {
					t.Errorf("without debug allowed: %v", err)
				}
			}
		})
	}
}

// sharedReasons are the reasons of the shared documents that have to be refused.
var sharedReasons = map[string]string{
	"deep-nesting.bin":             "cose.structure",
	"real-alg-es256.bin":           "cose.alg",
	"real-alg-unprot.bin":          "cose.alg",
	"real-array-indef.bin":         "cbor.indefinite",
	"real-array5.bin":              "cose.structure",
	"real-certflip.bin":            "signature.invalid",
	"real-expired.bin":             "chain.expired",
	"real-not-yet.bin":             "chain.not_yet_valid",
	"real-payload-nil.bin":         "cose.payload",
	"real-payload-nonminimal.bin":  "cbor.not_minimal",
	"real-pcrflip.bin":             "signature.invalid",
	"real-prot-empty.bin":          "cose.alg",
	"real-sig0.bin":                "signature.invalid",
	"real-sig95.bin":               "cose.signature_length",
	"real-sigder.bin":              "cose.signature_length",
	"real-sigflip.bin":             "signature.invalid",
	"real-tag17.bin":               "cose.tag",
	"real-trailing.bin":            "cbor.trailing",
	"real-truncated.bin":           "cbor.truncated",
	"real-unprot-extra.bin":        "cose.unprotected",
	"real-unprot-null.bin":         "cose.unprotected",
	"syn-cab-64.bin":               "parse.too_large",
	"syn-cab-missing-inter.bin":    "chain.order",
	"syn-cab-noroot.bin":           "chain.root",
	"syn-cab-reversed.bin":         "chain.order",
	"syn-digest-sha256.bin":        "document.digest",
	"syn-dup-pcrs.bin":             "cbor.duplicate_key",
	"syn-inst-no-certsign.bin":     "chain.key_usage",
	"syn-inst-not-ca.bin":          "chain.not_ca",
	"syn-inter-expired.bin":        "chain.expired",
	"syn-leaf-no-digsig.bin":       "chain.key_usage",
	"syn-missing-cabundle.bin":     "document.missing_field",
	"syn-missing-module_id.bin":    "document.missing_field",
	"syn-missing-timestamp.bin":    "document.missing_field",
	"syn-module-empty.bin":         "document.module_id",
	"syn-name-mismatch-sha256.bin": "chain.algorithm",
	"syn-nitrotpm.bin":             "document.nitrotpm",
	"syn-nonce-1025.bin":           "document.nonce",
	"syn-null-certificate.bin":     "document.missing_field",
	"syn-null-digest.bin":          "document.missing_field",
	"syn-null-module_id.bin":       "document.missing_field",
	"syn-null-timestamp.bin":       "document.missing_field",
	"syn-pathlen.bin":              "chain.path_length",
	"syn-payload-trailing.bin":     "cbor.trailing",
	"syn-pcr-dup.bin":              "cbor.duplicate_key",
	"syn-pcr-textkey.bin":          "document.pcrs",
	"syn-pcrs33.bin":               "document.pcrs",
	"syn-public_key-1025.bin":      "document.public_key",
	"syn-ts-outside-leaf.bin":      "time.outside_leaf",
	"syn-ts-zero.bin":              "document.timestamp",
	"syn-user_data-text.bin":       "document.user_data",
}

func TestVerifyDecidesMutatedDocuments(t *testing.T) {
	t.Parallel()
	vectors := readSharedVectors(t, "nitro-negative")
	if len(vectors) < 61 {
		t.Fatalf("only %d documents", len(vectors))
	}
	for _, vector := range vectors {
		t.Run(strings.TrimSuffix(vector.File, ".bin"), func(t *testing.T) {
			t.Parallel()
			document := readShared(t, "nitro-negative", vector.File)
			if sum := sha256.Sum256(document); hex.EncodeToString(sum[:]) != vector.SHA256 {
				t.Fatal("the file is not the one of the manifest")
			}
			at, err := time.Parse(time.RFC3339, vector.Time)
			if err != nil {
				t.Fatal(err)
			}
			options := Options{Time: at, Policy: &Policy{Any: true, AllowDebug: true}}
			if vector.Root != "aws" {
				if options.Roots, err = ParseRoots(readShared(t, "nitro-negative", vector.Root)); err != nil {
					t.Fatal(err)
				}
			}
			doc, report, err := Verify(document, options)
			if (err == nil) != (vector.Expect == "accept") || (doc == nil) != (err != nil) {
				t.Fatalf("expected %s (%s), got %v", vector.Expect, vector.Why, err)
			}
			if want := sharedReasons[vector.File]; report.Reason != want {
				t.Errorf("reason %q, want %q (%s)", report.Reason, want, vector.Why)
			}
		})
	}
}
