package attest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"strings"
	"testing"
)

func TestTheEmbeddedRootIsTheOneThatAWSPublishes(t *testing.T) {
	t.Parallel()
	const published = "641A0321A3E244EFE456463195D606317ED7CDCC3C1756E09893F3C68F79BB5B"
	sum := sha256.Sum256(AWSRoot())
	if got := strings.ToUpper(hex.EncodeToString(sum[:])); got != published {
		t.Fatalf("fingerprint %s", got)
	}
	changed := AWSRoot()
	changed[0] ^= 1
	if bytes.Equal(changed, AWSRoot()) {
		t.Error("a caller can change the embedded root")
	}
	roots, err := ParseRoots(awsRoot)
	if err != nil || len(roots) != 1 || !bytes.Equal(roots[0], AWSRoot()) {
		t.Errorf("ParseRoots of it: %v", err)
	}
}

func TestParseRootsReadsAFileOfCertificates(t *testing.T) {
	t.Parallel()
	block := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	own, aws := block("CERTIFICATE", testRoots()[0]), block("CERTIFICATE", AWSRoot())
	for name, text := range map[string]string{
		"two": own + aws, "comments": "# own\n" + own + "\n# AWS\n" + aws + "\n", "line ends": strings.ReplaceAll(own+aws, "\n", "\r\n"),
	} {
		roots, err := ParseRoots([]byte(text))
		if err != nil || len(roots) != 2 || !bytes.Equal(roots[0], testRoots()[0]) || !bytes.Equal(roots[1], AWSRoot()) {
			t.Errorf("%s: %d roots, %v", name, len(roots), err)
		}
	}
	for name, text := range map[string]string{
		"empty": "", "text": "no PEM", "DER": string(AWSRoot()), "a key": block("EC PRIVATE KEY", []byte{1}),
		"a key after a root": own + block("PRIVATE KEY", []byte{1}), "garbage in a block": block("CERTIFICATE", []byte("garbage")),
		"trailing DER": block("CERTIFICATE", append(AWSRoot(), 0)), "cut": own + aws[:200],
		"broken before": strings.Replace(own, "M", "!", 1) + aws, "broken after": aws + strings.Replace(own, "M", "!", 1),
		"too large": own + strings.Repeat("\n", maxRootsPEM),
	} {
		roots, err := ParseRoots([]byte(text))
		if reasonOf(t, err) != "argument.roots" || roots != nil {
			t.Errorf("%s: %d roots, %v", name, len(roots), err)
		}
	}
}
