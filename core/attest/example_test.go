package attest_test

import (
	"encoding/hex"
	"fmt"
	"os"
	"time"

	"github.com/libcape/libcape/core/attest"
)

func Example() {
	policy, err := attest.ParsePolicy([]byte(`{
		"pcrs": {"0": "991c6acc7df14908722b2b1250b10fca807363911c569df89caafb8b35250afa726eaf1ca98ec34fa3a77a4349596648"},
		"max_age_ms": 60000
	}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	document, err := os.ReadFile("../../tests/vectors/attest/good.bin") // in earnest: from the enclave
	if err != nil {
		fmt.Println(err)
		return
	}
	pem, err := os.ReadFile("../../tests/vectors/attest/root.pem") // in earnest: none, for the AWS root
	if err != nil {
		fmt.Println(err)
		return
	}
	roots, err := attest.ParseRoots(pem)
	if err != nil {
		fmt.Println(err)
		return
	}

	var verifier attest.Verifier
	options := attest.Options{
		Roots: roots, Time: time.Date(2026, 6, 1, 12, 30, 1, 0, time.UTC), // in earnest: none, for now
		Nonce: []byte("0123456789abcdef"), Policy: policy,
	}
	accepted, report, err := verifier.Verify(document, options)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(report.Verdict, accepted.ModuleID, hex.EncodeToString(accepted.PCRs[0][:4]))

	options.Nonce = []byte("fedcba9876543210")
	_, report, _ = verifier.Verify(document, options)
	fmt.Println(report.Verdict, report.Reason)
	// Output:
	// accepted i-0123456789abcdef0-enc0123456789abcdef 991c6acc
	// refused nonce.mismatch
}
