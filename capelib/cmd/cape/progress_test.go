package main

import (
	"strings"
	"testing"
)

func TestTheBarIsDrawnOnceForEachPerCent(t *testing.T) {
	t.Parallel()
	var drawn strings.Builder
	b := bar{to: &drawn, what: "deploying", drawn: -1}
	for done := int64(1); done <= 5000; done++ {
		b.draw(done, 5000)
	}
	b.end()
	lines := strings.Split(drawn.String(), "\r")
	if len(lines) != 102 || !strings.HasSuffix(lines[101], "] 100 %\n") || strings.Count(drawn.String(), "\n") != 1 {
		t.Errorf("%d times, at last %q", len(lines)-1, lines[len(lines)-1])
	}
	for _, line := range lines[1:] {
		if len(strings.TrimSuffix(line, "\n")) != len(strings.TrimSuffix(lines[1], "\n")) {
			t.Fatalf("%q is of another width", line)
		}
	}
}

func TestTheBarOfNothingIsNoFault(t *testing.T) {
	t.Parallel()
	var drawn strings.Builder
	b := bar{to: &drawn, what: "deploying", drawn: -1}
	b.draw(0, 0)
	if !strings.Contains(drawn.String(), "0 %") {
		t.Error(drawn.String())
	}
}

func TestWhatFollowsABarBeginsAnotherLine(t *testing.T) {
	t.Parallel()
	var drawn strings.Builder
	b := &bar{to: &drawn, what: "deploying", drawn: -1}
	b.end()
	if drawn.Len() > 0 {
		t.Errorf("%q before anything was drawn", drawn.String())
	}
	b.draw(1, 3)
	b.end()
	if !strings.HasSuffix(drawn.String(), " 33 %\n") {
		t.Errorf("%q", drawn.String())
	}
	b = nil
	b.end()
}
