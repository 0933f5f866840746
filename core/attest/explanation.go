package attest

import (
	"slices"
	"strconv"
	"strings"
)

// explain puts a difference into words: which PCRs, and what that says of the enclave. What the
// registers measure is in the AWS Nitro Enclaves user guide, "Cryptographic attestation": 0 the
// image file, 1 kernel and boot ramdisk, 2 the application, 3 the parent instance's IAM role, 4
// its instance ID, 8 the certificate that signed the image.
func (d *difference) explain() string {
	parts := []string{verb(d.differ, "differs", "differ")}
	if len(d.same) > 0 {
		parts = append(parts, verb(d.same, "is", "are")+" the same")
	}
	if len(d.missing) > 0 {
		parts = append(parts, verb(d.missing, "is", "are")+" not in the document")
	}
	text := strings.Join(parts, ", ")
	if meaning := d.meaning(); meaning != "" {
		text += ": " + meaning
	}
	return text
}

func (d *difference) meaning() string {
	if d.debug && d.differ[0] < 3 {
		return "the enclave runs in debug mode, in which PCR0 to PCR2 are zero"
	}
	if d.sizes {
		return "a pinned value has another length, and is of another hash"
	}
	differs := func(i int) bool { return slices.Contains(d.differ, i) }
	same := func(i int) bool { return slices.Contains(d.same, i) }
	var means []string
	switch {
	case differs(1) && differs(2):
		means = append(means, "another image, in both kernel and application")
	case differs(2) && same(1):
		means = append(means, "the application was rebuilt on the same kernel")
	case differs(1) && same(2):
		means = append(means, "the same application was put on another kernel")
	case differs(2):
		means = append(means, "another application")
	case differs(1):
		means = append(means, "another kernel")
	case differs(0) && same(1) && same(2):
		means = append(means, "the image was put together anew from the same kernel and application, or the pins are of different builds")
	case differs(0):
		means = append(means, "another image")
	}
	if same(0) && (differs(1) || differs(2)) {
		means = []string{"PCR0 covers all of the image, so the pins are of different builds"}
	}
	for _, other := range []struct {
		index int
		means string
	}{
		{3, "the parent instance has another IAM role"},
		{4, "it runs on another instance"},
		{8, "the image is signed by another certificate, or by none"},
	} {
		if differs(other.index) {
			means = append(means, other.means)
		}
	}
	return strings.Join(means, "; ")
}

// verb joins PCRs and the fitting form of a verb: "PCR0 and PCR2 differ".
func verb(indices []int, one, many string) string {
	var text []byte
	for i, index := range indices {
		switch {
		case i > 0 && i == len(indices)-1:
			text = append(text, " and "...)
		case i > 0:
			text = append(text, ", "...)
		}
		text = strconv.AppendInt(append(text, "PCR"...), int64(index), 10)
	}
	if len(indices) > 1 {
		one = many
	}
	return string(append(append(text, ' '), one...))
}
