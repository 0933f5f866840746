package main

import (
	"strings"
	"testing"
)

func TestTheBarIsDrawnOnceForEachPerCent(t *testing.T) {
	t.Parallel()
	var drawn strings.Builder
	tell := bar(&drawn, "deploying")
	for done := int64(1); done <= 5000; done++ {
		tell(done, 5000)
	}
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
	bar(&drawn, "deploying")(0, 0)
	if !strings.Contains(drawn.String(), "0 %") {
		t.Error(drawn.String())
	}
}

func TestWhatOthersChooseIsFitForATerminal(t *testing.T) {
	t.Parallel()
	if got := shown("a\x1b[31m\nb\u202ec\xff"); got != "a [31m b c\uFFFD" {
		t.Errorf("%q", got)
	}
}

func TestClaimsOfTokensAreRead(t *testing.T) {
	t.Parallel()
	// {"https://capeprivacy.com/username":"ann","n":1}
	const payload = "eyJodHRwczovL2NhcGVwcml2YWN5LmNvbS91c2VybmFtZSI6ImFubiIsIm4iOjF9"
	for token, want := range map[string]string{
		"e30." + payload + ".x": "ann", "e30." + payload: "", "e30.%%%.x": "", "": "", "e30.e30.x": "", "e30.W10.x": "",
	} {
		if got := claim(token, usernameClaim); got != want {
			t.Errorf("%q gives %q", token, got)
		}
	}
	if got := claim("e30."+payload+".x", "n"); got != "" {
		t.Errorf("a number gives %q", got)
	}
}
