package serdio

import (
	"errors"
	"math"
	"slices"
	"strings"
)

// plan holds what measuring a value found out, in the order in which writing it will ask. An
// extension begins with the length of its payload, so everything is measured once before it is
// written once.
type plan struct {
	ids      *identifier
	payloads []int64 // lengths of the payloads of tuples and sets
	sets     [][]any // elements of sets, each once
	maps     []Map   // maps of Go, in the order of their keys
}

// measure returns the length of v's encoding, or why it has none. Where id is not nil it also
// says who v is, and fails with errUnhashable for a value that cannot say.
func (p *plan) measure(v any, l level, id *identity) (int64, error) {
	if l.tooDeep() {
		return 0, argument("a value is nested too deep: at most 511 arrays and maps in one another, 1024 with those around tuples and sets")
	}
	switch v := v.(type) {
	case Tuple:
		return p.tuple(v, l, id)
	case FrozenSet:
		return p.set(v, l, id)
	case []any, Set, Map, map[string]any:
		if id != nil {
			return 0, errUnhashable
		}
	}
	switch v := v.(type) {
	case []any:
		return p.array(v, l, nil)
	case Set:
		return p.set(v, l, nil)
	case Map:
		return p.mapping(v, l)
	case map[string]any:
		sorted := inOrder(v)
		p.maps = append(p.maps, sorted)
		return p.mapping(sorted, l)
	}
	return p.leaf(v, id)
}

func (p *plan) array(items []any, l level, id *identity) (int64, error) {
	var own identity
	var element *identity
	if id != nil {
		*id = p.ids.tuple()
		element = &own
	}
	size := sizeOfHeader(len(items))
	for _, item := range items {
		n, err := p.measure(item, l.within(), element)
		if err != nil {
			return 0, err
		}
		if id != nil {
			p.ids.follow(id, own)
		}
		size += n
	}
	return fits(size)
}

func (p *plan) tuple(items []any, l level, id *identity) (int64, error) {
	at := p.reserve()
	size, err := p.array(items, l.payload(), id)
	if err != nil {
		return 0, err
	}
	return p.settle(at, size)
}

func (p *plan) set(items []any, l level, id *identity) (int64, error) {
	at, position := p.reserve(), len(p.sets)
	p.sets = append(p.sets, nil)
	whole := p.ids.frozenSet()
	members := make([]any, 0, len(items))
	var size int64
	var seen index
	defer seen.done(p.ids)
	var element identity
	for _, item := range items {
		before := *p
		n, err := p.measure(item, l.payload().within(), &element)
		if errors.Is(err, errUnhashable) {
			return 0, argument("a set holds a list, map or set, which Python cannot hash: use Tuple or FrozenSet within it")
		}
		if err != nil {
			return 0, err
		}
		if _, fresh := seen.add(p.ids, element); fresh {
			members = append(members, item)
			p.ids.include(&whole, element)
			size += n
		} else {
			*p = before
		}
	}
	if id != nil {
		*id = whole
	}
	p.sets[position] = members
	return p.settle(at, size+sizeOfHeader(len(members)))
}

func (p *plan) mapping(pairs Map, l level) (int64, error) {
	size := sizeOfHeader(len(pairs))
	var seen index
	defer seen.done(p.ids)
	for _, pair := range pairs {
		var id identity
		key, err := p.measure(pair.Key, l.within(), &id)
		if errors.Is(err, errUnhashable) {
			return 0, argument("a map key is or holds a list, map or set, which Python cannot hash: use Tuple or FrozenSet")
		}
		if err != nil {
			return 0, err
		}
		if _, fresh := seen.add(p.ids, id); !fresh {
			return 0, argument("a map has equal keys: give each once (1, 1.0 and true are equal)")
		}
		value, err := p.measure(pair.Value, l.within(), nil)
		if err != nil {
			return 0, err
		}
		size += key + value
	}
	return fits(size)
}

// reserve makes room for the length of the payload of the extension that is measured next. settle
// fills it in and returns the length of the whole extension.
func (p *plan) reserve() int {
	p.payloads = append(p.payloads, 0)
	return len(p.payloads) - 1
}

func (p *plan) settle(at int, payload int64) (int64, error) {
	p.payloads[at] = payload
	return fits(sizeOfExtHeader(payload) + payload)
}

// fits refuses what a MessagePack header, or an address, cannot say.
func fits(size int64) (int64, error) {
	if size > min(math.MaxUint32, math.MaxInt) {
		return 0, argument("a value takes more bytes than MessagePack can say: send it in parts")
	}
	return size, nil
}

func inOrder(m map[string]any) Map {
	pairs := make(Map, 0, len(m))
	for key, value := range m {
		pairs = append(pairs, Pair{key, value})
	}
	slices.SortFunc(pairs, func(a, b Pair) int { return strings.Compare(a.Key.(string), b.Key.(string)) })
	return pairs
}
