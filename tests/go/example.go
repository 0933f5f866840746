// Command go calls a function in a running enclave, and says which enclave answered.
//
//	go URL ROOT_PEM_FILE PCR0
package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/libcape/libcape/capelib"
	"github.com/libcape/libcape/core/serdio"
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: go URL ROOT_PEM_FILE PCR0")
		os.Exit(2)
	}
	line, err := demonstrate(os.Args[1], os.Args[2], os.Args[3])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(line)
}

func demonstrate(url, rootFile, pcr0 string) (string, error) {
	root, err := os.ReadFile(rootFile)
	if err != nil {
		return "", err
	}
	digest, err := hex.DecodeString(pcr0)
	if err != nil {
		return "", fmt.Errorf("PCR0 is not hexadecimal: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := capelib.Connect(ctx, capelib.Options{
		URL: url, Function: "local/pythagorean", AttestationRoots: root,
		Policy: &capelib.Policy{PCRs: map[int][][]byte{0: {digest}}},
	})
	if err != nil {
		return "", err
	}
	defer conn.Close()

	var line strings.Builder
	report := conn.Report()
	fmt.Fprintf(&line, "go      attested %s  PCR0 %.8s...", report.ModuleID, report.PCRs["0"])
	for _, sides := range [][]any{{3, 4}, {5, 12}} {
		input, err := serdio.Encode(sides, nil)
		if err != nil {
			return "", err
		}
		output, err := conn.Invoke(ctx, input)
		if err != nil {
			return "", err
		}
		result, err := serdio.Decode(output)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&line, "  pythagorean(%v, %v) = %v", sides[0], sides[1], result.Value())
	}
	return line.String(), nil
}
