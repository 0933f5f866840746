package serdio

import "errors"

// array reads an array. Where id is not nil it becomes that of a tuple of the elements.
func (d *decoder) array(l level, id *identity) ([]any, error) {
	n, err := d.arrayLen()
	if err != nil {
		return nil, err
	}
	if id != nil {
		*id = d.ids.tuple(n)
	}
	items := make([]any, n)
	var own identity
	var element *identity
	if id != nil {
		element = &own
	}
	for i := range items {
		d.owed--
		if items[i], err = d.value(l.within(), element); err != nil {
			return nil, err
		}
		if id != nil {
			d.ids.follow(id, own)
		}
	}
	return items, nil
}

// members reads an array as the elements of a set, each once. Where id is not nil it becomes that
// of a frozenset of them.
func (d *decoder) members(l level, id *identity) ([]any, error) {
	n, err := d.arrayLen()
	if err != nil {
		return nil, err
	}
	whole := d.ids.frozenSet()
	items := make([]any, 0, n)
	var seen index
	defer seen.done(d.ids)
	var element identity
	for range n {
		d.owed--
		item, err := d.value(l.within(), &element)
		if errors.Is(err, errUnhashable) {
			return nil, malformed("type", "a set in the serdio data holds a list, map or set, which Python cannot hash")
		}
		if err != nil {
			return nil, err
		}
		if _, fresh := seen.add(d.ids, element); fresh {
			items = append(items, item)
			d.ids.include(&whole, element)
		}
	}
	if id != nil {
		*id = whole
	}
	return items, nil
}

func (d *decoder) arrayLen() (int, error) {
	n, err := d.mp.DecodeArrayLen()
	if err != nil || !d.promise(int64(n)) {
		return 0, errTruncated()
	}
	return n, nil
}

func (d *decoder) mapping(l level) (Map, error) {
	n, err := d.mp.DecodeMapLen()
	if err != nil || !d.promise(2*int64(n)) {
		return nil, errTruncated()
	}
	pairs := make(Map, 0, n)
	var seen index
	defer seen.done(d.ids)
	for range n {
		var id identity
		d.owed--
		key, err := d.value(l.within(), &id)
		if errors.Is(err, errUnhashable) {
			return nil, malformed("key", "a map key in the serdio data is or holds a list, map or set, which Python cannot hash")
		}
		if err != nil {
			return nil, err
		}
		d.owed--
		value, err := d.value(l.within(), nil)
		if err != nil {
			return nil, err
		}
		if position, fresh := seen.add(d.ids, id); fresh {
			pairs = append(pairs, Pair{key, value})
		} else {
			pairs[position].Value = value
		}
	}
	return pairs, nil
}
