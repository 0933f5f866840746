package serdio

// complex reads the payload of a complex number: two numbers, in an array or a tuple. Each may be
// whatever Python makes a complex number of: a boolean or a complex number too.
func (d *decoder) complex(l level, id *identity) (any, error) {
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
		value, err := d.numbers(l, id)
		if err != nil {
			return nil, err
		}
		return value, d.leave(outer)
	}
	if kindOf(first) != codeArray {
		return nil, errComplex()
	}
	return d.numbers(l, id)
}

// numbers reads the two numbers: those of an array, or what else a tuple may be made of.
func (d *decoder) numbers(l level, id *identity) (any, error) {
	first, err := d.peek()
	if err != nil {
		return nil, err
	}
	var parts [2]any
	if kindOf(first) == codeArray {
		parts, err = d.pair(l)
	} else {
		parts, err = d.pairApart(l)
	}
	if err != nil {
		return nil, err
	}
	value, err := combined(parts[0], parts[1])
	if err != nil {
		return nil, err
	}
	if id != nil {
		*id = d.ids.complex(value)
	}
	return value, nil
}

func (d *decoder) pair(l level) (parts [2]any, err error) {
	n, err := d.arrayLen()
	if err != nil {
		return parts, err
	}
	if n != len(parts) {
		return parts, errComplex()
	}
	for i := range parts {
		d.owed--
		if parts[i], err = d.number(l.within()); err != nil {
			return parts, err
		}
	}
	return parts, nil
}

func (d *decoder) pairApart(l level) (parts [2]any, err error) {
	items, err := d.elements(l, false, nil)
	if err != nil {
		return parts, err
	}
	if len(items) != len(parts) {
		return parts, errComplex()
	}
	return [2]any(items), nil
}

// number reads what may be a number. Containers need not be read to be refused.
func (d *decoder) number(l level) (any, error) {
	first, err := d.peek()
	if err != nil {
		return nil, err
	}
	if kind := kindOf(first); kind != codeScalar && kind != codeExt {
		return nil, errComplex()
	}
	return d.value(l, nil)
}

// combined is what complex(a, b) of Python is, where each may be a complex number itself.
func combined(a, b any) (complex128, error) {
	first, firstComplex, ok := asComplex(a)
	if !ok {
		return 0, errComplex()
	}
	second, secondComplex, ok := asComplex(b)
	if !ok {
		return 0, errComplex()
	}
	re, im := real(first), real(second)
	if secondComplex {
		re -= imag(second)
	}
	if firstComplex {
		im += imag(first)
	}
	return complex(re, im), nil
}

func asComplex(value any) (number complex128, isComplex, ok bool) {
	switch value := value.(type) {
	case complex128:
		return value, true, true
	case float64:
		return complex(value, 0), false, true
	case int64:
		return complex(float64(value), 0), false, true
	case uint64:
		return complex(float64(value), 0), false, true
	case bool:
		if value {
			return 1, false, true
		}
		return 0, false, true
	}
	return 0, false, false
}

func errComplex() error {
	return malformed("type", "a complex number in the serdio data does not hold two numbers")
}
