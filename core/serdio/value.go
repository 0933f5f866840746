package serdio

// Tuple is a Python tuple.
type Tuple []any

// Set is a Python set, in the order of the wire, which means nothing.
type Set []any

// FrozenSet is a Python frozenset, in the order of the wire, which means nothing.
type FrozenSet []any

// Pair is one entry of a [Map].
type Pair struct {
	Key   any
	Value any
}

// Map is a Python dict: pairs in order. A nil Map is an empty one.
type Map []Pair

// Get returns the value under a key that is text.
func (m Map) Get(key string) (any, bool) {
	for _, pair := range m {
		if text, ok := pair.Key.(string); ok && text == key {
			return pair.Value, true
		}
	}
	return nil, false
}

// Ext is a MessagePack extension that serdio gives no meaning to. The codes 1 to 4 are serdio's
// own, and -1 is MessagePack's timestamp. Those of [CodeArray] to [CodeDataclass] have a meaning for
// who asks for it.
type Ext struct {
	Code int8
	Data []byte
}

// Call is what one encoding holds: the arguments of a function, or its result.
type Call struct {
	// Args are the positional arguments, never nil.
	Args []any
	// Kwargs are the keyword arguments. Each key is a string.
	Kwargs Map
	// List is set where the sender wrote the positional arguments as a plain array. Python's
	// serdio never does.
	List bool
}

// Value returns what Python's deserialize does: one positional argument as itself, otherwise all
// of them as a [Tuple], or as a []any where the sender wrote a plain array. Keyword arguments are
// left out.
func (c Call) Value() any {
	switch {
	case len(c.Args) == 1:
		return c.Args[0]
	case c.List:
		return c.Args
	}
	return Tuple(c.Args)
}
