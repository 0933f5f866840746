package attest

import (
	"runtime"
	"slices"
	"sync"
	"testing"
)

// harmlessFlips are the bits, by byte and bit, that may be flipped without the document being
// refused, each with the argument why that is right. There are none: every bit belongs to the
// envelope, of which one spelling alone is taken, to the signature, or to what it signs. (That
// n-s verifies in place of s is not a flip of one bit.)
var harmlessFlips = map[[2]int]string{}

// smallDocument is a good document that holds everything once, so that all of its bits can be
// tried: its cabundle is the root alone, and it has four PCRs.
func smallDocument(t *testing.T) []byte {
	t.Helper()
	plans := awsPlan()
	chain := issue(t, []*certPlan{plans[root], plans[leaf]})
	d := newDraft(chain, plans[leaf].key)
	d.set("pcrs", cborPCRs(4))
	return d.document(t)
}

func TestVerifyRefusesEveryTruncation(t *testing.T) {
	t.Parallel()
	document, options := smallDocument(t), goodOptions()
	for n := range document {
		if doc, report, err := Verify(document[:n], options); err == nil || doc != nil {
			t.Errorf("the first %d bytes of %d are accepted", n, len(document))
		} else if report.Reason != "cbor.truncated" && n > 0 {
			t.Errorf("the first %d bytes: %s", n, report.Reason)
		}
	}
}

func TestVerifyRefusesEveryFlippedBit(t *testing.T) {
	t.Parallel()
	var verifier Verifier // with its certificates verified already, so that a flip costs one signature
	document, options := smallDocument(t), goodOptions()
	if _, _, err := verifier.Verify(document, options); err != nil {
		t.Fatal(err)
	}
	reasons := make(map[string]int)
	var mu sync.Mutex
	var workers sync.WaitGroup
	next := make(chan int, len(document))
	for i := range document {
		next <- i
	}
	close(next)
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			changed := slices.Clone(document)
			for i := range next {
				for bit := range 8 {
					changed[i] ^= 1 << bit
					doc, report, err := verifier.Verify(changed, options)
					changed[i] ^= 1 << bit
					_, harmless := harmlessFlips[[2]int{i, bit}]
					if (err == nil) != harmless || (doc == nil) != (err != nil) {
						t.Errorf("byte %d, bit %d: accepted %v, expected %v", i, bit, err == nil, harmless)
					}
					mu.Lock()
					reasons[report.Reason]++
					mu.Unlock()
				}
			}
		})
	}
	workers.Wait()
	if reasons["signature.invalid"] < len(document) {
		t.Errorf("the signature decided too few of the flips: %v", reasons)
	}
	t.Logf("%d bits: %v", 8*len(document), reasons)
}
