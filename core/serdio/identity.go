package serdio

import (
	"encoding/binary"
	"hash/maphash"
	"math"
)

// identity is the same for two values that are equal in Python, and differs for all others: for
// numbers exactly, for the rest as 128 bits of a hash whose seeds nobody outside can know. It lets
// equal keys be found in linear time however deep they nest.
type identity [2]uint64

const (
	kindNil = iota
	kindNatural
	kindNegative
	kindFloat
	kindNaN
	kindText
	kindBytes
	kindExt
	kindTuple
	kindFrozenSet
	kindMember
)

// identifier makes identities. Those of two identifiers do not compare.
type identifier struct {
	first, second maphash.Seed
	nans          uint64
	spare         []map[identity]int // empty, for the next index that needs one
}

func newIdentifier() *identifier {
	return &identifier{first: maphash.MakeSeed(), second: maphash.MakeSeed()}
}

func (i *identifier) join(a, b identity) identity {
	var block [32]byte
	binary.LittleEndian.PutUint64(block[0:], a[0])
	binary.LittleEndian.PutUint64(block[8:], a[1])
	binary.LittleEndian.PutUint64(block[16:], b[0])
	binary.LittleEndian.PutUint64(block[24:], b[1])
	return identity{maphash.Bytes(i.first, block[:]), maphash.Bytes(i.second, block[:])}
}

func (i *identifier) text(s string) identity {
	return i.join(identity{kindText}, identity{maphash.String(i.first, s), maphash.String(i.second, s)})
}

func (i *identifier) bytes(kind uint64, b []byte) identity {
	return i.join(identity{kind}, identity{maphash.Bytes(i.first, b), maphash.Bytes(i.second, b)})
}

func (i *identifier) ext(e Ext) identity {
	return i.join(identity{kindExt, uint64(uint8(e.Code))}, i.bytes(kindExt, e.Data))
}

func (i *identifier) integer(n int64) identity {
	if n < 0 {
		return identity{kindNegative, uint64(n)}
	}
	return identity{kindNatural, uint64(n)}
}

func (i *identifier) boolean(b bool) identity {
	if b {
		return identity{kindNatural, 1}
	}
	return identity{kindNatural, 0}
}

func (i *identifier) float(f float64) identity {
	switch {
	case f != f:
		i.nans++
		return identity{kindNaN, i.nans}
	case f != math.Trunc(f):
	case f >= 0 && f < 1<<64:
		return identity{kindNatural, uint64(f)}
	case f < 0 && f >= -1<<63:
		return identity{kindNegative, uint64(int64(f))}
	}
	return identity{kindFloat, math.Float64bits(f)}
}

func (i *identifier) complex(c complex128) identity {
	if imag(c) == 0 {
		return i.float(real(c))
	}
	return i.join(i.float(real(c)), i.float(imag(c)))
}

// tuple and frozenSet begin the identity of a sequence. Each element is then added with follow or,
// where the order must not count, with include.
func (i *identifier) tuple() identity                       { return identity{kindTuple} }
func (i *identifier) frozenSet() identity                   { return identity{kindFrozenSet} }
func (i *identifier) follow(to *identity, element identity) { *to = i.join(*to, element) }

func (i *identifier) include(to *identity, element identity) {
	member := i.join(identity{kindMember}, element)
	to[0] += member[0]
	to[1] += member[1]
}

// whole is the identity of a tuple or frozenset whose elements come one by one.
type whole struct {
	ids     *identifier
	ordered bool
	id      identity
}

// whole begins that of the extension of a code.
func (i *identifier) whole(code int8) *whole {
	if code == extTuple {
		return &whole{ids: i, ordered: true, id: i.tuple()}
	}
	return &whole{ids: i, id: i.frozenSet()}
}

func (w *whole) add(element identity) {
	if w.ordered {
		w.ids.follow(&w.id, element)
	} else {
		w.ids.include(&w.id, element)
	}
}
