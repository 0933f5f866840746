package serdio

import (
	"fmt"

	"github.com/vmihailenco/msgpack/v5"
)

// writer writes a value that plan has measured.
type writer struct {
	*plan
	out output
	mp  *msgpack.Encoder
}

func next[T any](queue *[]T) T {
	first := (*queue)[0]
	*queue = (*queue)[1:]
	return first
}

func (w *writer) value(v any) error {
	switch v := v.(type) {
	case nil:
		return w.mp.EncodeNil()
	case bool:
		return w.mp.EncodeBool(v)
	case int:
		return w.mp.EncodeInt(int64(v))
	case int64:
		return w.mp.EncodeInt(v)
	case uint64:
		return w.mp.EncodeUint(v)
	case float64:
		return w.mp.EncodeFloat64(v)
	case complex128:
		return w.complex(v)
	case string:
		return w.mp.EncodeString(v)
	case []byte:
		if err := w.mp.EncodeBytesLen(len(v)); err != nil {
			return err
		}
		return w.raw(v)
	case []any:
		return w.array(v)
	case Tuple:
		return w.extension(extTuple, v)
	case Set:
		return w.extension(extSet, nil)
	case FrozenSet:
		return w.extension(extFrozenSet, nil)
	case Map:
		return w.mapping(v)
	case map[string]any:
		return w.mapping(next(&w.maps))
	case Ext:
		if err := w.mp.EncodeExtHeader(v.Code, len(v.Data)); err != nil {
			return err
		}
		return w.raw(v.Data)
	default:
		if number, ok := plain(v); ok {
			return w.value(number)
		}
		return fmt.Errorf("a value of type %T was changed while it was encoded", v)
	}
}

func (w *writer) raw(b []byte) error {
	_, err := w.out.Write(b)
	return err
}

func (w *writer) array(items []any) error {
	if err := w.mp.EncodeArrayLen(len(items)); err != nil {
		return err
	}
	for _, item := range items {
		if err := w.value(item); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) mapping(pairs Map) error {
	if err := w.mp.EncodeMapLen(len(pairs)); err != nil {
		return err
	}
	for _, pair := range pairs {
		if err := w.value(pair.Key); err != nil {
			return err
		}
		if err := w.value(pair.Value); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) extension(code int8, items []any) error {
	if err := w.mp.EncodeExtHeader(code, int(next(&w.payloads))); err != nil {
		return err
	}
	if code != extTuple {
		items = next(&w.sets)
	}
	return w.array(items)
}

func (w *writer) complex(c complex128) error {
	const payload = sizeOfComplex - 3
	if err := w.mp.EncodeExtHeader(extComplex, payload); err != nil {
		return err
	}
	if err := w.mp.EncodeExtHeader(extTuple, payload-3); err != nil {
		return err
	}
	return w.array([]any{real(c), imag(c)})
}
