package serdio_test

import (
	"encoding/hex"
	"encoding/json"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/libcape/libcape/core/serdio"
)

type extFile struct {
	Codes   map[string]int8
	Cases   []vector
	Refused []struct {
		Name    string
		Code    int8
		Payload string
		Reason  string
	}
}

func extVectors(t *testing.T) extFile {
	t.Helper()
	var file extFile
	unmarshal(t, readFile(t, "ext.json"), &file)
	if len(file.Cases) == 0 || len(file.Refused) == 0 {
		t.Fatal("ext.json holds no cases")
	}
	return file
}

// extension makes the extension that a value in the notation of ext.json stands for.
func extension(t *testing.T, kind string, raw json.RawMessage) serdio.Ext {
	t.Helper()
	var n struct {
		V, US, Type, Hex, Name string
		Shape                  []int
		Fields                 [][2]json.RawMessage
	}
	unmarshal(t, raw, &n)
	var ext serdio.Ext
	var err error
	switch kind {
	case "datetime":
		ext, err = serdio.TextExt(serdio.CodeDateTime, n.V)
	case "date":
		ext, err = serdio.TextExt(serdio.CodeDate, n.V)
	case "time":
		ext, err = serdio.TextExt(serdio.CodeTime, n.V)
	case "timedelta":
		ext, err = serdio.TextExt(serdio.CodeTimeDelta, n.US)
	case "decimal":
		ext, err = serdio.TextExt(serdio.CodeDecimal, n.V)
	case "uuid":
		ext = serdio.UUIDExt([16]byte(unhex(t, strings.ReplaceAll(n.V, "-", ""))))
	case "array":
		ext, err = serdio.Array{Type: n.Type, Shape: n.Shape, Data: unhex(t, n.Hex)}.Ext()
	case "scalar":
		data := unhex(t, n.Hex)
		if n.Type == "U" {
			data = []byte(n.V)
		}
		ext, err = serdio.Array{Type: n.Type, Data: data, Scalar: true}.Ext()
	case "dataclass":
		record := serdio.Record{Name: n.Name}
		for _, field := range n.Fields {
			record.Fields = append(record.Fields, serdio.Pair{Key: text(t, field[0]), Value: value(t, field[1])})
		}
		ext, err = record.Ext()
	default:
		t.Fatalf("unknown notation %q", kind)
	}
	if err != nil {
		t.Fatalf("%v of %s", err, raw)
	}
	return ext
}

// open returns the value of an extension and the extension that it gives again.
func open(ext serdio.Ext) (again serdio.Ext, err error) {
	switch ext.Code {
	case serdio.CodeUUID:
		id, err := ext.UUID()
		if err != nil {
			return serdio.Ext{}, err
		}
		return serdio.UUIDExt(id), nil
	case serdio.CodeArray, serdio.CodeScalar:
		array, err := ext.Array()
		if err != nil {
			return serdio.Ext{}, err
		}
		return array.Ext()
	case serdio.CodeDataclass:
		record, err := ext.Record()
		if err != nil {
			return serdio.Ext{}, err
		}
		return record.Ext()
	}
	text, err := ext.Text()
	if err != nil {
		return serdio.Ext{}, err
	}
	return serdio.TextExt(ext.Code, text)
}

func TestTheCodesOfExtensionsAreThoseOfTheVectors(t *testing.T) {
	t.Parallel()
	codes := map[string]int8{
		"array": serdio.CodeArray, "scalar": serdio.CodeScalar, "datetime": serdio.CodeDateTime, "date": serdio.CodeDate, "time": serdio.CodeTime,
		"timedelta": serdio.CodeTimeDelta, "decimal": serdio.CodeDecimal, "uuid": serdio.CodeUUID, "dataclass": serdio.CodeDataclass,
	}
	file := extVectors(t)
	for name, code := range codes {
		if file.Codes[name] != code {
			t.Errorf("%s has the code %d, want %d", name, code, file.Codes[name])
		}
	}
	if len(file.Codes) != len(codes) {
		t.Errorf("%d codes, want %d", len(codes), len(file.Codes))
	}
}

func TestEveryExtensionIsWrittenAndCarried(t *testing.T) {
	t.Parallel()
	for _, v := range extVectors(t).Cases {
		t.Run(v.text(t, "name"), func(t *testing.T) {
			t.Parallel()
			encoded, err := serdio.Encode(values(t, v["args"]), keywords(t, v["kwargs"]))
			if err != nil {
				t.Fatal(err)
			}
			checkBytes(t, v, encoded)
			checkBytesOnly(t, v)
			call, err := serdio.Decode(encoded)
			if err != nil {
				t.Fatal(err)
			}
			for _, arg := range call.Args {
				if ext, ok := arg.(serdio.Ext); ok {
					if again, err := open(ext); err != nil || canonical(again) != canonical(ext) {
						t.Errorf("%v became %v, %v", ext, again, err)
					}
				}
			}
		})
	}
}

func TestPayloadsThatNoExtensionHasAreCarriedAndNotOpened(t *testing.T) {
	t.Parallel()
	for _, refused := range extVectors(t).Refused {
		t.Run(refused.Name, func(t *testing.T) {
			t.Parallel()
			ext := serdio.Ext{Code: refused.Code, Data: unhex(t, refused.Payload)}
			data, err := serdio.Encode([]any{ext}, nil)
			if err != nil {
				t.Fatal(err)
			}
			call, err := serdio.Decode(data)
			if err != nil || canonical(call.Value()) != canonical(ext) {
				t.Fatalf("carried as %v, %v", call.Value(), err)
			}
			_, err = open(ext)
			wantReason(t, err, refused.Reason)
			if ext.Code >= serdio.CodeDateTime && ext.Code <= serdio.CodeDecimal {
				_, err = serdio.TextExt(ext.Code, string(ext.Data))
				wantReason(t, err, "argument.serdio")
			}
		})
	}
}

func TestTimesComeBackWithTheirOffset(t *testing.T) {
	t.Parallel()
	tests := map[string]time.Time{
		"2026-11-22T22:26:07+00:00":           time.Date(2026, 11, 22, 22, 26, 7, 0, time.UTC),
		"2026-11-22T22:26:07.000001+05:30":    time.Date(2026, 11, 22, 22, 26, 7, 1999, time.FixedZone("", 5*3600+1800)),
		"1900-01-01T00:00:00.500000-00:44:30": time.Date(1900, 1, 1, 0, 0, 0, 500_000_000, time.FixedZone("", -44*60-30)),
		"0001-01-01T00:00:00+00:00":           {},
		"9999-12-31T23:59:59.999999+00:00":    time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC),
		"1969-12-31T23:59:59.999999-23:59":    time.Date(1969, 12, 31, 23, 59, 59, 999_999_000, time.FixedZone("", -23*3600-59*60)),
		"2024-02-29T12:00:00+00:00":           time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC),
		"2026-07-01T12:00:00-04:00":           time.Date(2026, 7, 1, 12, 0, 0, 0, time.FixedZone("EDT", -4*3600)),
	}
	for want, moment := range tests {
		ext, err := serdio.TimeExt(moment)
		if err != nil || string(ext.Data) != want {
			t.Errorf("%v is %s, %v, want %s", moment, ext.Data, err, want)
			continue
		}
		back, err := ext.Time()
		_, offset := back.Zone()
		_, wanted := moment.Zone()
		if err != nil || !back.Equal(moment.Truncate(time.Microsecond)) || offset != wanted {
			t.Errorf("%s came back as %v, %v", want, back, err)
		}
	}
	for _, year := range []int{0, -1, 10000} {
		_, err := serdio.TimeExt(time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC))
		wantReason(t, err, "argument.serdio")
	}
	for _, text := range []string{"2026-11-22T22:26:07", "2026-10-25T02:30:00f", "1900-01-01T12:00:00+00:00:00.000001"} {
		_, err := serdio.Ext{Code: serdio.CodeDateTime, Data: []byte(text)}.Time()
		wantReason(t, err, "serdio.type")
	}
}

func TestDurationsComeBack(t *testing.T) {
	t.Parallel()
	for _, d := range []time.Duration{0, time.Microsecond, -time.Hour, math.MaxInt64, math.MinInt64} {
		back, err := serdio.DurationExt(d).Duration()
		if err != nil || back != d.Truncate(time.Microsecond) {
			t.Errorf("%v came back as %v, %v", d, back, err)
		}
	}
	longer := new(big.Int).Add(big.NewInt(math.MaxInt64/1000), big.NewInt(1))
	_, err := serdio.Ext{Code: serdio.CodeTimeDelta, Data: []byte(longer.String())}.Duration()
	wantReason(t, err, "serdio.type")
}

func roundTrip[T serdio.Element](t *testing.T, name string, elements ...T) {
	t.Helper()
	array, err := serdio.ArrayOf(elements, 1, len(elements))
	if err != nil || array.Type != name {
		t.Fatalf("%v, %v, want %s", array, err, name)
	}
	ext, err := array.Ext()
	if err != nil {
		t.Fatal(err)
	}
	again, err := ext.Array()
	if err != nil {
		t.Fatal(err)
	}
	back, err := serdio.Elements[T](again)
	if err != nil || !slices.Equal(back, elements) || !slices.Equal(again.Shape, []int{1, len(elements)}) {
		t.Errorf("%v came back as %v, %v", elements, back, err)
	}
}

func TestElementsOfEveryTypeComeBack(t *testing.T) {
	t.Parallel()
	roundTrip(t, "|b1", true, false)
	roundTrip(t, "|i1", int8(-1))
	roundTrip(t, "<i2", int16(-2), 3)
	roundTrip(t, "<i4", int32(math.MinInt32))
	roundTrip(t, "<i8", int64(math.MinInt64), 5)
	roundTrip(t, "|u1", uint8(255))
	roundTrip(t, "<u2", uint16(256))
	roundTrip(t, "<u4", uint32(math.MaxUint32))
	roundTrip(t, "<u8", uint64(math.MaxUint64))
	roundTrip(t, "<f4", float32(1.5))
	roundTrip(t, "<f8", 1.5, math.Inf(1))
	roundTrip(t, "<c8", complex64(1+2i))
	roundTrip(t, "<c16", 1+2i, -3i)
	roundTrip[float64](t, "<f8")

	one, err := serdio.ArrayOf([]float64{1, 2})
	if err != nil || !slices.Equal(one.Shape, []int{2}) {
		t.Errorf("the shape is %v, %v", one.Shape, err)
	}
	_, err = serdio.Elements[float32](one)
	wantReason(t, err, "argument.serdio")
	_, err = serdio.Elements[float64](serdio.Array{Type: "<f8", Shape: []int{math.MaxInt}})
	wantReason(t, err, "argument.serdio")
	_, err = serdio.ArrayOf([]float64{1, 2}, 3)
	wantReason(t, err, "argument.serdio")
	_, err = serdio.ArrayOf([]float64{}, -1)
	wantReason(t, err, "argument.serdio")
}

func TestRecordsAreWrittenOnlyWithDistinctNames(t *testing.T) {
	t.Parallel()
	for _, fields := range []serdio.Map{{{Key: 1, Value: 1}}, {{Key: "x", Value: 1}, {Key: "x", Value: 2}}, {{Key: "x", Value: struct{}{}}}} {
		_, err := serdio.Record{Name: "Point", Fields: fields}.Ext()
		wantReason(t, err, "argument.serdio")
	}
	ext, err := serdio.Record{Name: "Point", Fields: serdio.Map{{Key: "x", Value: serdio.Tuple{1}}}}.Ext()
	if err != nil {
		t.Fatal(err)
	}
	record, err := ext.Record()
	if x, _ := record.Fields.Get("x"); err != nil || record.Name != "Point" || canonical(x) != canonical(serdio.Tuple{int64(1)}) {
		t.Errorf("%v, %v", record, err)
	}
}

func TestAnExtensionIsNotTakenForAnother(t *testing.T) {
	t.Parallel()
	ext := serdio.Ext{Code: 9, Data: []byte("2026-11-22")}
	_, one := ext.Text()
	_, two := ext.Time()
	_, three := ext.Duration()
	_, four := ext.UUID()
	_, five := ext.Array()
	_, six := ext.Record()
	for _, err := range []error{one, two, three, four, five, six} {
		wantReason(t, err, "serdio.type")
	}
	_, err := serdio.TextExt(9, "2026-11-22")
	wantReason(t, err, "argument.serdio")
}

// Whatever the payload, what an extension opens to is written as that payload again.
func FuzzExtension(f *testing.F) {
	var file struct {
		Cases   []struct{ Hex string }
		Refused []struct {
			Code    int8
			Payload string
		}
	}
	if err := json.Unmarshal(readFile(f, "ext.json"), &file); err != nil {
		f.Fatal(err)
	}
	for _, refused := range file.Refused {
		f.Add(refused.Code, unhex(f, refused.Payload))
	}
	for _, one := range file.Cases {
		call, err := serdio.Decode(unhex(f, one.Hex))
		if err != nil {
			f.Fatal(err)
		}
		for _, arg := range call.Args {
			if ext, ok := arg.(serdio.Ext); ok {
				f.Add(ext.Code, ext.Data)
			}
		}
	}
	f.Fuzz(func(t *testing.T, code int8, data []byte) {
		ext := serdio.Ext{Code: code, Data: data}
		again, err := open(ext)
		if err != nil {
			wantFault(t, err, "serdio.")
			return
		}
		if code == serdio.CodeDataclass {
			// Its payload may have longer headers than ours.
			if twice, err := open(again); err != nil || canonical(twice) != canonical(again) {
				t.Errorf("%v became %v, %v", again, twice, err)
			}
			return
		}
		if hex.EncodeToString(again.Data) != hex.EncodeToString(data) {
			t.Errorf("%q became %q", data, again.Data)
		}
		_, _ = ext.Time()
		_, _ = ext.Duration()
	})
}
