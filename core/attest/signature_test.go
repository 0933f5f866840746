package attest

import (
	"bytes"
	"encoding/asn1"
	"encoding/hex"
	"math/big"
	"testing"
)

func TestParseSignatureTakesDERAlone(t *testing.T) {
	t.Parallel()
	type pair struct{ R, S *big.Int }
	most := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 384), big.NewInt(1))
	for _, want := range []pair{{big.NewInt(1), big.NewInt(127)}, {big.NewInt(128), big.NewInt(0)}, {most, most}, {big.NewInt(65535), most}} {
		der, err := asn1.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		r, s, ok := parseSignature(der)
		if !ok || want.R.Cmp(new(big.Int).SetBytes(r)) != 0 || want.S.Cmp(new(big.Int).SetBytes(s)) != 0 {
			t.Errorf("%x: %x, %x, %v", der, r, s, ok)
		}
		for n := range der {
			if _, _, ok := parseSignature(der[:n]); ok {
				t.Errorf("%x cut at %d is taken", der, n)
			}
		}
		if _, _, ok := parseSignature(append(bytes.Clone(der), 0)); ok {
			t.Errorf("%x with a byte more is taken", der)
		}
	}
	for _, text := range []string{
		"", "30", "3000", "3006020101020180", "300702020001020101", "3005020002010101", "300602010102017f00", "308106020101020101",
		"3106020101020101", "3006030101020101", "30060201010201ff", "3080020101020101", "300602810101020101", "300602010102010102",
	} {
		der, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, ok := parseSignature(der); ok {
			t.Errorf("%s is taken", text)
		}
	}
}
