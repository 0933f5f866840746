// Package serdio encodes the arguments of a call, and decodes its result, in the MessagePack
// profile that functions made with Python's serdio package speak.
//
// Start with [Encode] for what is sent to a function, and with [Decode] and [Call.Value] for what
// it answers:
//
//	input, err := serdio.Encode([]any{3, 4}, nil)
//	...
//	call, err := serdio.Decode(output)
//	fmt.Println(call.Value()) // 5
//
// [EncodeJSON] and [DecodeJSON] do the same for programs that have JSON only.
//
// # Types
//
//	Python            encoded from                          decoded to
//	None, bool        nil, bool                             nil, bool
//	int               any Go integer                        int64; uint64 above 2^63-1
//	float             float64, float32                      float64
//	complex           complex128, complex64                 complex128
//	str               string (valid UTF-8)                  string
//	bytes             []byte                                []byte
//	list              []any                                 []any
//	tuple             Tuple                                 Tuple
//	set, frozenset    Set, FrozenSet                        Set, FrozenSet
//	dict              Map; map[string]any in sorted order   Map, in the order of the wire
//	ExtType           Ext, but for the codes 1 to 4         Ext
//
// What Python's serdio.ext sends, such as dates, decimals and numpy's arrays, is an Ext too. See
// [CodeArray] for what it turns into: [Ext.Time], [Ext.Array] and so on, and back.
//
// Types match exactly: a named type of another package is refused, as a subclass is in Python.
//
// The elements of a set and the keys of a map are those that Python can hash: neither lists, maps
// nor sets, at any depth within. They are equal as in Python: 1, 1.0 and true are the same key,
// and no NaN equals any other. Equal elements of a set become one. Of equal keys on the wire the
// last value stands, in the place of the first key; a [Map] with equal keys is refused by Encode.
//
// # Wire format
//
// MessagePack with minimal headers and 64-bit floats, one map for each call:
//
//	{"_serdio_args_": args, "_serdio_kwargs_": map}
//
// args is a tuple; kwargs stands only where there are any. A complex number is extension 1 around
// extension 2 around [re, im], a tuple is extension 2, a set 3, a frozenset 4, each around an
// array, in MessagePack of its own. [Decode] takes more than that.
//
// # Limits
//
// A value lies within at most 511 arrays and maps of one payload, and within 1024 in all, counted
// through tuples and sets. A payload that is neither array nor map counts as one.
//
// Decode trusts no length that the input declares: it allocates for no more elements than there
// are bytes left to hold them. What it allocates is proportional to the input: about as much as
// the input for bytes and long text, 3 times as much for floats, 16 times for an array of nils,
// and 40 times at most (lists of one list each), which is 640 MiB for 16 MiB. Time is linear.
//
// All functions may be called from any number of goroutines at once.
package serdio

const (
	argsName   = "_serdio_args_"
	kwargsName = "_serdio_kwargs_"
)

// Codes of the extensions that the profile defines. They are not free for an [Ext].
const (
	extComplex   = 1
	extTuple     = 2
	extSet       = 3
	extFrozenSet = 4
)
