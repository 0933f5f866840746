package serdio

// index finds equal identities in one set or map. For a small one it allocates nothing.
type index struct {
	few  [16]identity
	many map[identity]int
	n    int
}

// add returns the position at which id was added first, and whether that is now.
func (x *index) add(ids *identifier, id identity) (position int, fresh bool) {
	if x.many == nil {
		for n := range x.few[:x.n] {
			if x.few[n] == id {
				return n, false
			}
		}
		if x.n < len(x.few) {
			x.few[x.n] = id
			x.n++
			return x.n - 1, true
		}
		x.many = ids.borrow()
		for n, id := range x.few {
			x.many[id] = n
		}
	}
	if position, twice := x.many[id]; twice {
		return position, false
	}
	x.many[id] = x.n
	x.n++
	return x.n - 1, true
}

// done gives back what add borrowed.
func (x *index) done(ids *identifier) {
	if x.many != nil && len(x.many) <= maxSpare {
		clear(x.many)
		ids.spare = append(ids.spare, x.many)
	}
}

// maxSpare is the length up to which a map is kept: clearing a larger one for each small set would
// take more time than making a small one.
const maxSpare = 256

func (i *identifier) borrow() map[identity]int {
	if last := len(i.spare) - 1; last >= 0 {
		many := i.spare[last]
		i.spare = i.spare[:last]
		return many
	}
	return make(map[identity]int, 2*len(index{}.few))
}
