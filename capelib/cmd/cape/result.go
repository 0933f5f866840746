package main

import (
	"bytes"
	"encoding/base64"
	"io"
	"os"
	"strconv"
	"unicode/utf8"

	"github.com/libcape/libcape/capelib"
	"github.com/libcape/libcape/core/attest"
	"github.com/libcape/libcape/core/wire"
)

// functionOutput is the result of a function in JSON. Bytes are in base64, and the output as text
// too where it is such. The names are those of the original command, but for output_base64 and
// attestation, which is the report.
type functionOutput struct {
	Output      *string         `json:"output"`
	Base64      string          `json:"output_base64"`
	Checksums   *wire.Checksums `json:"checksums,omitempty"`
	Signature   []byte          `json:"signed_results,omitempty"`
	Document    *documentValues `json:"attestation_doc,omitempty"`
	Raw         []byte          `json:"raw_attestation_doc,omitempty"`
	Attestation *capelib.Report `json:"attestation"`
}

// documentValues are those of an attestation document, under their names in it.
type documentValues struct {
	ModuleID  string            `json:"module_id"`
	Digest    string            `json:"digest"`
	Timestamp int64             `json:"timestamp"` // milliseconds
	PCRs      map[string][]byte `json:"pcrs"`
	PublicKey []byte            `json:"public_key"`
	UserData  []byte            `json:"user_data"`
	Nonce     []byte            `json:"nonce"`
}

func valuesOf(document *attest.Document) *documentValues {
	if document == nil {
		return nil
	}
	values := documentValues{
		ModuleID: document.ModuleID, Digest: document.Digest, Timestamp: document.Timestamp.UnixMilli(), PCRs: map[string][]byte{},
		PublicKey: document.PublicKey, UserData: document.UserData, Nonce: document.Nonce,
	}
	for index, value := range document.PCRs {
		values.PCRs[strconv.Itoa(index)] = value
	}
	return &values
}

// printOutput writes what a function gave, byte for byte and nothing else, or as JSON. Where a
// terminal shows it, it ends its line.
func (e *environment) printOutput(output []byte, report *capelib.Report, evidence capelib.Evidence) error {
	result := functionOutput{
		Base64: base64.StdEncoding.EncodeToString(output), Attestation: report,
		Checksums: evidence.Checksums, Signature: evidence.Signature, Document: valuesOf(evidence.Document), Raw: evidence.Raw,
	}
	if utf8.Valid(output) {
		text := string(output)
		result.Output = &text
	}
	return e.print(result, func(w io.Writer) {
		_, _ = w.Write(output)
		if isTerminal(os.Stdout) && !bytes.HasSuffix(output, []byte("\n")) {
			_, _ = io.WriteString(w, "\n")
		}
	})
}
