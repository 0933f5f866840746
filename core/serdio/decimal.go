package serdio

import (
	"fmt"
	"strconv"
	"strings"
)

// Exponents that a Decimal of Python may have: of its first digit, and of its last.
const (
	maxExponent = 999_999_999_999_999_999
	minExponent = -1_999_999_999_999_999_997
)

// isDecimal says whether text is what str makes of a Decimal: to-scientific-string of the General
// Decimal Arithmetic Specification.
func isDecimal(text string) bool {
	text = strings.TrimPrefix(text, "-")
	if text == "Infinity" {
		return true
	}
	if payload, ok := strings.CutPrefix(strings.TrimPrefix(text, "s"), "NaN"); ok {
		return payload == "" || payload[0] != '0' && digitsOnly(payload)
	}
	mantissa, exponent, scientific := strings.Cut(text, "E")
	var shown int64
	if scientific {
		var err error
		if shown, err = strconv.ParseInt(exponent, 10, 64); err != nil {
			return false
		}
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	if whole == "" || !digitsOnly(whole) || !digitsOnly(fraction) {
		return false
	}
	exp := shown - int64(len(fraction))
	coefficient := strings.TrimLeft(whole+fraction, "0")
	if coefficient == "" {
		coefficient = "0"
	}
	first := exp + int64(len(coefficient)) - 1
	if shown < minExponent || first > maxExponent || exp < minExponent {
		return false
	}
	return scientificString(coefficient, exp, first) == text
}

func scientificString(coefficient string, exp, first int64) string {
	switch {
	case exp <= 0 && first >= -6:
		if exp == 0 {
			return coefficient
		}
		if missing := 1 - int(exp) - len(coefficient); missing > 0 {
			coefficient = strings.Repeat("0", missing) + coefficient
		}
		point := len(coefficient) + int(exp)
		return coefficient[:point] + "." + coefficient[point:]
	case len(coefficient) > 1:
		return fmt.Sprintf("%s.%sE%+d", coefficient[:1], coefficient[1:], first)
	}
	return fmt.Sprintf("%sE%+d", coefficient, first)
}

func digitsOnly(text string) bool { return strings.Trim(text, "0123456789") == "" }
