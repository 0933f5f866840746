package serdio

import "errors"

// array reads an array. Where w is not nil the elements are added to it.
func (d *decoder) array(l level, w *whole) ([]any, error) {
	n, err := d.arrayLen()
	if err != nil {
		return nil, err
	}
	items := make([]any, n)
	var own identity
	var element *identity
	if w != nil {
		element = &own
	}
	for i := range items {
		d.owed--
		if items[i], err = d.value(l.within(), element); err != nil {
			return nil, err
		}
		if w != nil {
			w.add(own)
		}
	}
	return items, nil
}

// members reads an array as the elements of a set, each once. Where w is not nil they are added to
// it.
func (d *decoder) members(l level, w *whole) ([]any, error) {
	n, err := d.arrayLen()
	if err != nil {
		return nil, err
	}
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
			if w != nil {
				w.add(element)
			}
		}
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

// mapping reads a map. Where w is not nil the keys are added to it.
func (d *decoder) mapping(l level, w *whole) (Map, error) {
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
			if w != nil {
				w.add(id)
			}
		} else {
			pairs[position].Value = value
		}
	}
	return pairs, nil
}
