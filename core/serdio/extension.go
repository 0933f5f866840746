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
		return d.complex(id)
	}
	first, err := d.peek()
	if err != nil {
		return nil, err
	}
	if kindOf(first) != codeArray {
		return nil, malformed("type", "a tuple or set in the serdio data does not hold an array")
	}
	switch code {
	case extTuple:
		items, err := d.array(l, id)
		return Tuple(items), err
	case extSet:
		items, err := d.members(l, nil)
		return Set(items), err
	}
	items, err := d.members(l, id)
	return FrozenSet(items), err
}

// complex reads the payload of a complex number: two numbers, in an array or a tuple.
func (d *decoder) complex(id *identity) (any, error) {
	first, err := d.peek()
	if err != nil {
		return nil, err
	}
	if kindOf(first) == codeExt {
		code, n, err := d.mp.DecodeExtHeader()
		if err != nil {
			return nil, errTruncated()
		}
		if code != extTuple {
			return nil, errComplex()
		}
		outer, err := d.enter(int64(n))
		if err != nil {
			return nil, err
		}
		value, err := d.numbers(id)
		if err != nil {
			return nil, err
		}
		return value, d.leave(outer)
	}
	return d.numbers(id)
}

func (d *decoder) numbers(id *identity) (any, error) {
	first, err := d.peek()
	if err != nil {
		return nil, err
	}
	if kindOf(first) != codeArray {
		return nil, errComplex()
	}
	n, err := d.arrayLen()
	if err != nil {
		return nil, err
	}
	if n != 2 {
		return nil, errComplex()
	}
	var parts [2]float64
	for i := range parts {
		d.owed--
		if parts[i], err = d.number(); err != nil {
			return nil, err
		}
	}
	value := complex(parts[0], parts[1])
	if id != nil {
		*id = d.ids.complex(value)
	}
	return value, nil
}

func (d *decoder) number() (float64, error) {
	first, err := d.peek()
	if err != nil {
		return 0, err
	}
	if kindOf(first) != codeScalar {
		return 0, errComplex()
	}
	value, err := d.scalar(first, nil)
	if err != nil {
		return 0, err
	}
	switch value := value.(type) {
	case float64:
		return value, nil
	case int64:
		return float64(value), nil
	case uint64:
		return float64(value), nil
	}
	return 0, errComplex()
}

func errComplex() error {
	return malformed("type", "a complex number in the serdio data does not hold two numbers")
}
