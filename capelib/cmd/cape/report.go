package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/libcape/libcape/capelib"
)

// printReport writes a report for people: the verdict and what to do, the steps, and what is
// known of the document. The error is that of writing.
func printReport(w io.Writer, report *capelib.Report) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "verdict\t%s\n", strings.TrimSpace(report.Verdict+"  "+report.Reason))
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(table, "%s\t%s\n", name, value)
		}
	}
	line("cause", report.Cause)
	line("remedy", report.Remedy)
	fmt.Fprintln(table)
	for _, step := range report.Steps {
		status := strings.ReplaceAll(step.Status, "_", " ")
		fmt.Fprintf(table, "%s\t%s\n", step.Step, strings.TrimSpace(fmt.Sprintf("%-11s %s", status, step.Detail)))
	}
	fmt.Fprintln(table)
	line("module", report.ModuleID)
	line("signed", report.Timestamp)
	line("verified at", report.VerifiedAt)
	line("function", report.FunctionChecksum)
	line("release", report.Release)
	line("root", report.RootSHA256)
	if skew := report.ClockSkewSeconds; skew != nil {
		direction := "ahead"
		if *skew < 0 {
			direction = "behind"
		}
		line("clock", fmt.Sprintf("this machine's is %s by %d s, it seems", direction, max(*skew, -*skew)))
	}
	if report.DebugMode {
		line("debug", "the enclave runs in debug mode: its host can read its console")
	}
	line("unknown keys", strings.Join(report.UnknownKeys, ", "))
	printPCRs(line, report.PCRs)
	return table.Flush()
}

// printPCRs lists the registers in order, without those that were never written.
func printPCRs(line func(name, value string), pcrs map[string]string) {
	indices := make([]int, 0, len(pcrs))
	for name, value := range pcrs {
		index, err := strconv.Atoi(name)
		if err == nil && (index < 3 || strings.Trim(value, "0") != "") {
			indices = append(indices, index)
		}
	}
	slices.Sort(indices)
	for _, index := range indices {
		line("PCR"+strconv.Itoa(index), pcrs[strconv.Itoa(index)])
	}
}
