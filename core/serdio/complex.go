package serdio

// complex reads the payload of a complex number: two numbers, in an array or a tuple.
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
	var parts [2]float64
	if kindOf(first) == codeArray {
		parts, err = d.pair()
	} else {
		parts, err = d.pairApart(l)
	}
	if err != nil {
		return nil, err
	}
	value := complex(parts[0], parts[1])
	if id != nil {
		*id = d.ids.complex(value)
	}
	return value, nil
}

func (d *decoder) pair() (parts [2]float64, err error) {
	n, err := d.arrayLen()
	if err != nil {
		return parts, err
	}
	if n != len(parts) {
		return parts, errComplex()
	}
	for i := range parts {
		d.owed--
		if parts[i], err = d.number(); err != nil {
			return parts, err
		}
	}
	return parts, nil
}

func (d *decoder) pairApart(l level) (parts [2]float64, err error) {
	items, err := d.elements(l, false, nil)
	if err != nil {
		return parts, err
	}
	if len(items) != len(parts) {
		return parts, errComplex()
	}
	for i := range parts {
		if parts[i], err = asFloat(items[i]); err != nil {
			return parts, err
		}
	}
	return parts, nil
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
	return asFloat(value)
}

func asFloat(value any) (float64, error) {
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
