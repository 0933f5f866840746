package serdio

import "github.com/vmihailenco/msgpack/v5"

// Decode reads one call. Nothing of the result refers to data: text and bytes are copied, once.
// It takes any input, and fails with an [*Error] whose reason begins with "serdio.".
//
// Beside what [Encode] makes it takes what other writers may send: headers that are not minimal,
// 32-bit floats, integers in a complex number, a plain array in place of the tuple of arguments
// and of the tuple in a complex number. A tuple, set or frozenset may be made of whatever Python
// can iterate over, in place of an array: of text, whose characters (code points) become its
// elements; of bytes, as integers; of a map, its keys; of another tuple, set or frozenset, its
// elements; and of an extension of code 0 or above, its code and its data. Further keys of the
// outer map are ignored; of a key that stands twice the last one counts.
func Decode(data []byte) (Call, error) {
	d := newDecoder(data)
	call, err := d.call()
	if err != nil {
		return Call{}, err
	}
	if d.at != d.end {
		return Call{}, malformed("trailing", "the serdio data goes on after its end: it was not made by one serialize")
	}
	return call, nil
}

// decodeValue reads the payload of an extension that serdio gives no meaning to by itself.
func decodeValue(data []byte) (any, error) {
	d := newDecoder(data)
	value, err := d.value(level{}, nil)
	if err != nil {
		return nil, err
	}
	if d.at != d.end {
		return nil, malformed("trailing", "an extension in the serdio data goes on after its value")
	}
	return value, nil
}

func newDecoder(data []byte) *decoder {
	d := &decoder{cursor: cursor{data: data, end: len(data)}, ids: newIdentifier()}
	d.mp = msgpack.NewDecoder(&d.cursor)
	return d
}

type decoder struct {
	cursor
	mp  *msgpack.Decoder
	ids *identifier
}

func (d *decoder) call() (Call, error) {
	code, err := d.peek()
	if err != nil {
		return Call{}, err
	}
	if kindOf(code) != codeMap {
		return Call{}, malformed("envelope", "the serdio data is not a map: was it made by serdio?")
	}
	envelope, err := d.mapping(level{}, nil)
	if err != nil {
		return Call{}, err
	}
	var call Call
	switch args, _ := envelope.Get(argsName); args := args.(type) {
	case Tuple:
		call.Args = args
	case []any:
		call.Args, call.List = args, true
	default:
		return Call{}, malformed("envelope", "the serdio data holds no tuple of arguments: was it made by serdio?")
	}
	switch kwargs, given := envelope.Get(kwargsName); kwargs := kwargs.(type) {
	case Map:
		call.Kwargs = kwargs
	default:
		if given {
			return Call{}, malformed("envelope", "the keyword arguments in the serdio data are not a map: was it made by serdio?")
		}
	}
	for _, pair := range call.Kwargs {
		if _, ok := pair.Key.(string); !ok {
			return Call{}, malformed("key", "the name of a keyword argument in the serdio data is not text")
		}
	}
	return call, nil
}

// value reads the next value. Where id is not nil it also says who the value is, and fails with
// errUnhashable for one that cannot say.
func (d *decoder) value(l level, id *identity) (any, error) {
	if l.tooDeep() {
		return nil, errDepth()
	}
	code, err := d.peek()
	if err != nil {
		return nil, err
	}
	kind := kindOf(code)
	if id != nil && (kind == codeArray || kind == codeMap) {
		return nil, errUnhashable
	}
	switch kind {
	case codeArray:
		items, err := d.array(l, nil)
		if err != nil {
			return nil, err
		}
		if len(items) == 0 {
			return emptyList, nil
		}
		return items, nil
	case codeMap:
		pairs, err := d.mapping(l, nil)
		if err != nil {
			return nil, err
		}
		if len(pairs) == 0 {
			return emptyMap, nil
		}
		return pairs, nil
	case codeExt:
		return d.extension(l, id)
	case codeText:
		return d.text(id)
	case codeBytes:
		return d.bytes(id)
	}
	return d.scalar(code, id)
}

// Empty ones, never written to: a byte of input each, which would be 24 bytes of memory each.
var (
	emptyList any = []any{}
	emptyMap  any = Map{}
)

func errDepth() error {
	return malformed("depth", "the serdio data is nested too deep: at most 511 arrays and maps in one another, 1024 with those around tuples and sets")
}
