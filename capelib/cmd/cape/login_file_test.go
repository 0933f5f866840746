package main

import "testing"

func TestALoginIsForOneHostWhateverItsCapitals(t *testing.T) {
	t.Parallel()
	for address, same := range map[string]bool{
		"wss://Bank.Example.COM/":     true,
		"wss://ban\u212a.example.com": false, // the sign of the unit Kelvin
		"wss://bank.example.com:443":  false,
		"wss://bank.example.com.":     false,
	} {
		if got := hostOf(address) == hostOf("wss://bank.example.com"); got != same {
			t.Errorf("%q is the same host: %v", address, got)
		}
	}
}
