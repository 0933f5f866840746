package main

import "testing"

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
