package serdio

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
)

const microsecond = 1000 // nanoseconds

// TimeExt is t as an aware datetime of Python, with its offset, and of its nanoseconds the whole
// microseconds. It fails for years before 1 and after 9999.
func TimeExt(t time.Time) (Ext, error) {
	if t.Year() < 1 || t.Year() > 9999 {
		return Ext{}, argument("a time is not within the years 1 to 9999, which are those of Python")
	}
	text := t.Format("2006-01-02T15:04:05")
	if part := t.Nanosecond() / microsecond; part != 0 {
		text += fmt.Sprintf(".%06d", part)
	}
	_, offset := t.Zone()
	sign := '+'
	if offset < 0 {
		sign, offset = '-', -offset
	}
	text += fmt.Sprintf("%c%02d:%02d", sign, offset/3600, offset/60%60)
	if offset%60 != 0 {
		text += fmt.Sprintf(":%02d", offset%60)
	}
	return TextExt(CodeDateTime, text)
}

// Time returns an aware datetime of Python. It fails for one that has no offset, or one of parts of
// a second, which Go does not have; see Text.
func (e Ext) Time() (time.Time, error) {
	if err := e.wants(CodeDateTime); err != nil {
		return time.Time{}, err
	}
	moment, ok := parseDateTime(string(e.Data))
	if !ok {
		return time.Time{}, malformed("type", "a datetime in the serdio data is not in the one form that it has")
	}
	if !moment.aware || moment.offsetPart != 0 {
		return time.Time{}, malformed("type", "a datetime in the serdio data has no offset that Go knows: read it with Text")
	}
	zone := time.UTC
	if moment.offset != 0 {
		zone = time.FixedZone("", moment.offset)
	}
	d := moment.date
	return time.Date(d.year, time.Month(d.month), d.day, moment.hour, moment.minute, moment.second, moment.part*microsecond, zone), nil
}

// DurationExt is d as Python's timedelta, in whole microseconds, rounded towards zero.
func DurationExt(d time.Duration) Ext {
	return Ext{CodeTimeDelta, strconv.AppendInt(nil, d.Microseconds(), 10)}
}

// Duration returns Python's timedelta. It fails for more than 292 years, which Text gives.
func (e Ext) Duration() (time.Duration, error) {
	if err := e.wants(CodeTimeDelta); err != nil {
		return 0, err
	}
	n, ok := parseMicroseconds(string(e.Data))
	if !ok {
		return 0, malformed("type", "a timedelta in the serdio data is not in the one form that it has")
	}
	if !n.IsInt64() || n.Int64() > math.MaxInt64/microsecond || n.Int64() < math.MinInt64/microsecond {
		return 0, malformed("type", "a timedelta in the serdio data is longer than a time.Duration: read it with Text")
	}
	return time.Duration(n.Int64()) * time.Microsecond, nil
}

type date struct{ year, month, day int }

// clock is a time of day. offset is in seconds, and offsetPart in microseconds.
type clock struct {
	hour, minute, second, part int
	aware                      bool
	offset, offsetPart         int
}

type dateTime struct {
	date
	clock
}

func parseDateTime(text string) (dateTime, bool) {
	day, rest, ok := strings.Cut(text, "T")
	if !ok {
		return dateTime{}, false
	}
	d, ok := parseDate(day)
	if !ok {
		return dateTime{}, false
	}
	c, ok := parseClock(rest)
	return dateTime{d, c}, ok
}

func parseDate(text string) (d date, ok bool) {
	if len(text) != len("2006-01-02") || text[4] != '-' || text[7] != '-' {
		return d, false
	}
	d = date{digits(text[:4]), digits(text[5:7]), digits(text[8:])}
	if d.year < 1 || d.month < 1 || d.month > 12 || d.day < 1 {
		return d, false
	}
	return d, time.Date(d.year, time.Month(d.month), d.day, 0, 0, 0, 0, time.UTC).Day() == d.day
}

// parseClock reads hours, minutes and seconds, parts of a second unless they are 0, and an offset
// or, without one, an f.
func parseClock(text string) (c clock, ok bool) {
	if len(text) < len("15:04:05") || text[2] != ':' || text[5] != ':' {
		return c, false
	}
	c.hour, c.minute, c.second = digits(text[:2]), digits(text[3:5]), digits(text[6:8])
	if !within(c.hour, 24) || !within(c.minute, 60) || !within(c.second, 60) {
		return c, false
	}
	rest := text[8:]
	if c.part, rest, ok = parsePart(rest); !ok {
		return c, false
	}
	if rest == "" || rest == "f" {
		return c, true
	}
	c.aware = true
	c.offset, c.offsetPart, ok = parseOffset(rest)
	return c, ok
}

func parseOffset(text string) (seconds, part int, ok bool) {
	if len(text) < len("+00:00") || text[0] != '+' && text[0] != '-' || text[3] != ':' {
		return 0, 0, false
	}
	hours, minutes := digits(text[1:3]), digits(text[4:6])
	if !within(hours, 24) || !within(minutes, 60) {
		return 0, 0, false
	}
	seconds = hours*3600 + minutes*60
	if rest := text[6:]; rest != "" {
		if len(rest) < len(":00") || rest[0] != ':' {
			return 0, 0, false
		}
		more := digits(rest[1:3])
		if part, rest, ok = parsePart(rest[3:]); !ok || rest != "" || !within(more, 60) || more == 0 && part == 0 {
			return 0, 0, false
		}
		seconds += more
	}
	if text[0] == '-' {
		if seconds == 0 && part == 0 {
			return 0, 0, false
		}
		seconds, part = -seconds, -part
	}
	return seconds, part, true
}

// parsePart reads a point and six digits, which are not all 0, if there is a point.
func parsePart(text string) (part int, rest string, ok bool) {
	if !strings.HasPrefix(text, ".") {
		return 0, text, true
	}
	if len(text) < len(".000001") {
		return 0, "", false
	}
	part = digits(text[1:7])
	return part, text[7:], part > 0
}

func parseMicroseconds(text string) (*big.Int, bool) {
	n, ok := new(big.Int), false
	if len(text) <= len("-86399999999999999999") {
		n, ok = n.SetString(text, 10)
	}
	if !ok || n.String() != text {
		return nil, false
	}
	const day = 24 * 3600 * 1e6
	days, _ := new(big.Int).DivMod(n, big.NewInt(day), new(big.Int))
	return n, days.CmpAbs(big.NewInt(999_999_999)) <= 0
}

// digits is the number that text is written of, or -1.
func digits(text string) int {
	n := 0
	for _, c := range []byte(text) {
		if c < '0' || c > '9' {
			return -1
		}
		n = 10*n + int(c-'0')
	}
	return n
}

func within(n, limit int) bool { return n >= 0 && n < limit }
