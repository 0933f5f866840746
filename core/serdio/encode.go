package serdio

import "github.com/vmihailenco/msgpack/v5"

// Encode writes a call: its positional and its keyword arguments, of which either may be nil. The
// keys of kwargs must be strings. A failure is an [*Error] with reason "argument.serdio", and
// nothing is returned.
//
// A nil slice is an empty one. The values must not be changed until Encode returns.
func Encode(args []any, kwargs Map) ([]byte, error) {
	for _, pair := range kwargs {
		if _, ok := pair.Key.(string); !ok {
			return nil, argument("the name of a keyword argument is not text: give it as a string")
		}
	}
	envelope := Map{{argsName, Tuple(args)}}
	if len(kwargs) > 0 {
		envelope = append(envelope, Pair{kwargsName, kwargs})
	}
	return encodeValue(envelope)
}

func encodeValue(v any) ([]byte, error) {
	p := &plan{ids: newIdentifier()}
	size, err := p.measure(v, level{}, nil)
	if err != nil {
		return nil, err
	}
	w := &writer{plan: p, out: make(output, 0, size)}
	w.mp = msgpack.NewEncoder(&w.out)
	if err := w.value(v); err != nil {
		return nil, argument(err.Error())
	}
	return w.out, nil
}

// output is the memory under MessagePack's encoder.
type output []byte

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	*o = append(*o, p...)
	return len(p), nil
}

// WriteByte implements io.ByteWriter.
func (o *output) WriteByte(c byte) error {
	*o = append(*o, c)
	return nil
}
