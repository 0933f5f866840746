package serdio

import "fmt"

// Codes of Python's serdio.ext, a set of further types that both sides ask for by name. Neither
// [Encode] nor [Decode] gives them a meaning: they carry an [Ext] as it is. Its methods, and the
// functions whose names end in Ext, turn one into a value of Go and back. The payloads are
// described in tests/vectors/serdio.
const (
	CodeArray     int8 = 64 // numpy's ndarray: Array
	CodeScalar    int8 = 65 // a scalar of numpy: Array
	CodeDateTime  int8 = 66 // datetime: Time where it has an offset, else Text
	CodeDate      int8 = 67 // date: Text
	CodeTime      int8 = 68 // time: Text
	CodeTimeDelta int8 = 69 // timedelta: Duration, or Text in microseconds
	CodeDecimal   int8 = 70 // Decimal: Text
	CodeUUID      int8 = 71 // UUID: UUID
	CodeDataclass int8 = 72 // an instance of a dataclass: Record
)

// UUIDExt is Python's UUID of these bytes.
func UUIDExt(id [16]byte) Ext { return Ext{CodeUUID, id[:]} }

// UUID returns the bytes of Python's UUID, in the order of its text.
func (e Ext) UUID() (id [16]byte, err error) {
	if err := e.wants(CodeUUID); err != nil {
		return id, err
	}
	if len(e.Data) != len(id) {
		return id, malformed("type", "a UUID in the serdio data is not of 16 bytes")
	}
	return [16]byte(e.Data), nil
}

// TextExt is a value of Python that is sent as text: a datetime, date, time, timedelta or Decimal,
// by its code. The text is the one that Text returns, and is refused in any other form.
func TextExt(code int8, text string) (Ext, error) {
	if known, ok := textOf(code, text); !known || !ok {
		return Ext{}, argument(fmt.Sprintf("the text is not one that Python writes for a value of code %d", code))
	}
	return Ext{code, []byte(text)}, nil
}

// Text returns a datetime, date or time as Python's isoformat writes it, with an f after the second
// of two that clocks show when they are put back (fold=1); a timedelta in microseconds; and a
// Decimal as Python's str writes it.
func (e Ext) Text() (string, error) {
	text := string(e.Data)
	known, ok := textOf(e.Code, text)
	if !known {
		return "", e.otherCode()
	}
	if !ok {
		return "", malformed("type", fmt.Sprintf("an extension of code %d in the serdio data is not text of the one form that it has", e.Code))
	}
	return text, nil
}

// textOf says whether a code is one of text, and whether this is such text.
func textOf(code int8, text string) (known, ok bool) {
	switch code {
	case CodeDateTime:
		_, ok = parseDateTime(text)
	case CodeDate:
		_, ok = parseDate(text)
	case CodeTime:
		_, ok = parseClock(text)
	case CodeTimeDelta:
		_, ok = parseMicroseconds(text)
	case CodeDecimal:
		ok = isDecimal(text)
	default:
		return false, false
	}
	return true, ok
}

func (e Ext) wants(code int8) error {
	if e.Code != code {
		return e.otherCode()
	}
	return nil
}

func (e Ext) otherCode() error {
	return malformed("type", fmt.Sprintf("an extension in the serdio data has the code %d, which is that of another type", e.Code))
}
