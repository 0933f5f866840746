package serdio

import "bytes"

// extension reads an extension value. The payloads of serdio's own are read in place, so that
// nesting them costs nothing.
func (d *decoder) extension(l level, id *identity) (any, error) {
	code, n, err := d.mp.DecodeExtHeader()
	if err != nil {
		return nil, errTruncated()
	}
	if code < extComplex || code > extFrozenSet {
		data, err := d.take(int64(n))
		if err != nil {
			return nil, err
		}
		ext := Ext{code, bytes.Clone(data)}
		if id != nil {
			*id = d.ids.ext(ext)
		}
		return ext, nil
	}
	if code == extSet && id != nil {
		return nil, errUnhashable
	}
	outer, err := d.enter(int64(n))
	if err != nil {
		return nil, err
	}
	value, err := d.payload(code, l.payload(), id)
	if err != nil {
		return nil, err
	}
	return value, d.leave(outer)
}

func (d *decoder) payload(code int8, l level, id *identity) (any, error) {
	if code == extComplex {
		return d.complex(l, id)
	}
	var w *whole
	if id != nil {
		w = d.ids.whole(code)
	}
	items, err := d.elements(l, code != extTuple, w)
	if err != nil {
		return nil, err
	}
	if id != nil {
		*id = w.id
	}
	switch code {
	case extTuple:
		return Tuple(items), nil
	case extSet:
		return Set(items), nil
	}
	return FrozenSet(items), nil
}
