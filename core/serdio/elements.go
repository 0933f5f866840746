package serdio

import (
	"bytes"
	"math"
	"unicode/utf8"
)

// elements reads the elements of a tuple or, where they must be distinct, of a set. The array that
// holds them may stand in further tuples and sets, and in its place may stand whatever else Python
// can iterate over. Where w is not nil the elements are added to it.
func (d *decoder) elements(l level, distinct bool, w *whole) ([]any, error) {
	first, err := d.peek()
	if err != nil {
		return nil, err
	}
	kind := kindOf(first)
	switch kind {
	case codeArray:
		if distinct {
			return d.members(l, w)
		}
		return d.array(l, w)
	case codeMap:
		return d.keys(l, w)
	}
	if l.within().tooDeep() {
		return nil, errDepth()
	}
	switch kind {
	case codeText:
		return d.characters(distinct, w)
	case codeBytes:
		return d.octets(distinct, w)
	case codeExt:
		// There is no array that would count, so it counts itself, lest payloads nest without end.
		return d.inner(l.within().payload(), distinct, w)
	}
	if _, err := d.scalar(first, nil); err != nil {
		return nil, err
	}
	return nil, errElements()
}

// inner reads the elements of an extension that is itself the payload of a tuple or set. They are
// handed on as they are: to copy them, or look for equal ones, at each level would take more than
// linear time.
func (d *decoder) inner(l level, distinct bool, w *whole) ([]any, error) {
	code, n, err := d.mp.DecodeExtHeader()
	if err != nil {
		return nil, errTruncated()
	}
	if code >= extTuple && code <= extFrozenSet {
		outer, err := d.enter(int64(n))
		if err != nil {
			return nil, err
		}
		items, err := d.elements(l, distinct || code != extTuple, w)
		if err != nil {
			return nil, err
		}
		return items, d.leave(outer)
	}
	data, err := d.take(int64(n))
	if err != nil {
		return nil, err
	}
	if code < 0 || code == extComplex {
		return nil, errElements()
	}
	if w != nil {
		w.add(d.ids.integer(int64(code)))
		w.add(d.ids.bytes(kindBytes, data))
	}
	return []any{int64(code), bytes.Clone(data)}, nil
}

func (d *decoder) keys(l level, w *whole) ([]any, error) {
	pairs, err := d.mapping(l, w)
	if err != nil {
		return nil, err
	}
	items := make([]any, len(pairs))
	for n, pair := range pairs {
		items[n] = pair.Key
	}
	return items, nil
}

func (d *decoder) characters(distinct bool, w *whole) ([]any, error) {
	part, err := d.block()
	if err != nil {
		return nil, err
	}
	if !utf8.Valid(part) {
		return nil, errUTF8()
	}
	n := utf8.RuneCount(part)
	var left runes // those that the set has yet to get
	if distinct {
		n = left.addAll(part)
	}
	items := make([]any, 0, n)
	for len(part) > 0 {
		r, size := utf8.DecodeRune(part)
		part = part[size:]
		if distinct && !left.remove(r) {
			continue
		}
		character := string(r)
		items = append(items, character)
		if w != nil {
			w.add(d.ids.text(character))
		}
	}
	return items, nil
}

func (d *decoder) octets(distinct bool, w *whole) ([]any, error) {
	part, err := d.block()
	if err != nil {
		return nil, err
	}
	most := len(part)
	if distinct {
		most = min(most, math.MaxUint8+1)
	}
	items := make([]any, 0, most)
	var seen [math.MaxUint8 + 1]bool
	for _, octet := range part {
		if distinct && seen[octet] {
			continue
		}
		seen[octet] = true
		items = append(items, int64(octet))
		if w != nil {
			w.add(d.ids.integer(int64(octet)))
		}
	}
	return items, nil
}

func errElements() error {
	return malformed("type", "a tuple or set in the serdio data is made of a value that has no elements, such as a number")
}
