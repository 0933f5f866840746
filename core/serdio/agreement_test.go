package serdio_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/libcape/libcape/core/serdio"
)

// seed is that of all random values here: CAPE_SEED, or always the same.
func seed(t *testing.T) uint64 {
	t.Helper()
	number := uint64(20)
	if text := os.Getenv("CAPE_SEED"); text != "" {
		var err error
		if number, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("CAPE_SEED is no number: %v", err)
		}
	}
	t.Logf("seed %d: to have it again, set CAPE_SEED", number)
	return number
}

// rounds is few in the suite, and many where CAPE_SOAK asks for it.
func rounds(few, many int) int {
	if os.Getenv("CAPE_SOAK") != "" {
		return many
	}
	return few
}

// peer is the Python half, in bindings/python/tests.
func peer(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	python := os.Getenv("CAPE_PYTHON")
	if python == "" {
		python = filepath.FromSlash("../../build/venv/bin/python")
	}
	if _, err := os.Stat(python); err != nil {
		t.Skip("needs the Python of make bindings, or one with the project's packages in CAPE_PYTHON")
	}
	program, err := filepath.Abs("../../bindings/python/tests/serdio_peer.py")
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(python, append([]string{program}, args...)...)
	command.Env = append(os.Environ(), "PYTHONPATH="+filepath.Dir(filepath.Dir(program)))
	command.Stderr = os.Stderr
	return command
}

func TestGoWritesAndReadsRandomValuesAsPythonDoes(t *testing.T) {
	t.Parallel()
	const count = 10_000
	command := peer(t, "values", strconv.FormatUint(seed(t), 10), strconv.Itoa(count))
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = command.Process.Kill() }()
	lines := json.NewDecoder(bufio.NewReaderSize(output, 1<<20))
	for round := range count {
		var v vector
		if err := lines.Decode(&v); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		args, kwargs := values(t, v["args"]), keywords(t, v["kwargs"])
		encoded, err := serdio.Encode(args, kwargs)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		checkBytes(t, v, encoded)
		call, err := serdio.Decode(encoded)
		if err != nil || canonical(call.Args) != canonical(args) || canonical(call.Kwargs) != canonical(kwargs) {
			t.Fatalf("round %d: %v %v came back as %v %v, %v", round, args, kwargs, call.Args, call.Kwargs, err)
		}
		if t.Failed() {
			t.Fatalf("round %d", round)
		}
	}
	if err := command.Wait(); err != nil {
		t.Error(err)
	}
}

// envelope is what nearly all messages begin with.
const envelope = "\x81\xad_serdio_args_"

// messages gives random messages, whole ones and then damaged ones.
type messages struct {
	random
	seeds    [][]byte
	payloads [][]byte // each after its code
	last     []byte
}

func newMessages(t *testing.T, number uint64) *messages {
	t.Helper()
	m := &messages{random: random{rand.New(rand.NewPCG(number, 1))}}
	file := extVectors(t)
	for _, v := range file.Cases {
		m.add(unhex(t, v.text(t, "hex")))
	}
	for _, refused := range file.Refused {
		m.payloads = append(m.payloads, append([]byte{byte(refused.Code)}, unhex(t, refused.Payload)...))
	}
	for _, data := range seeds(t) {
		m.add(data)
	}
	m.last = m.seeds[0]
	return m
}

func (m *messages) add(data []byte) {
	if len(data) <= len(envelope) || len(data) > 600 {
		return
	}
	m.seeds = append(m.seeds, data)
	// Most have their arguments in a tuple whose length takes one byte.
	if call, err := serdio.Decode(data); err == nil && len(data) > 18 && data[15] == 0xc7 {
		m.payloads = append(m.payloads, append([]byte{2}, data[18:]...))
		for _, arg := range call.Args {
			if ext, ok := arg.(serdio.Ext); ok {
				m.payloads = append(m.payloads, append([]byte{byte(ext.Code)}, ext.Data...))
			}
		}
	}
}

func (m *messages) whole() []byte {
	data, err := serdio.Encode(m.values(3, false), m.keywords(1))
	if err != nil {
		panic(err)
	}
	return data
}

func (m *messages) damaged() []byte {
	switch m.IntN(8) {
	case 0, 1:
		if m.IntN(4) == 0 {
			return m.noise()
		}
		return m.framed()
	case 2:
		m.last = m.whole()
	case 3:
		// What the last round damaged is damaged further.
	default:
		m.last = m.seeds[m.IntN(len(m.seeds))]
	}
	m.last = m.damage(append([]byte{}, m.last...))
	if len(m.last) <= len(envelope) || len(m.last) > 2000 {
		m.last = m.seeds[0]
	}
	return m.last
}

// noise is nothing but random bytes, or such in the place of the arguments.
func (m *messages) noise() []byte {
	if m.IntN(4) == 0 {
		return m.bytes()
	}
	return append([]byte(envelope+"\x91"), m.bytes()...)
}

// framed is a message whose lengths are right, around a payload that may be damaged.
func (m *messages) framed() []byte {
	payload := append([]byte{}, m.payloads[m.IntN(len(m.payloads))]...)
	code := payload[0]
	if payload = payload[1:]; m.IntN(3) > 0 {
		payload = m.damage(payload)
	}
	if m.IntN(8) == 0 {
		code = []byte{1, 2, 3, 4, 64, 65, 66, 72, 9, 255}[m.IntN(10)]
	}
	value := append([]byte{0x91}, ext32(code, payload)...)
	for range m.IntN(3) {
		value = append([]byte{0x91}, ext32([]byte{2, 2, 3, 4}[m.IntN(4)], value)...)
	}
	return append([]byte(envelope), value...)
}

func (m *messages) damage(data []byte) []byte {
	for range 1 + m.IntN(2) {
		if len(data) == 0 {
			return m.bytes()
		}
		at := m.IntN(len(data))
		switch m.IntN(12) {
		case 0:
			data = data[:at]
		case 1:
			data = append(data[:at:at], data[at+m.IntN(len(data)-at):]...)
		case 2:
			other := m.seeds[m.IntN(len(m.seeds))]
			from := m.IntN(len(other))
			data = append(append(data[:at:at], other[from:min(from+1+m.IntN(40), len(other))]...), data[at:]...)
		case 3:
			data = append(append(data[:at:at], byte(m.Uint32())), data[at:]...)
		case 4:
			data[at] = "0123456789+-.:Tf EU\n<|"[m.IntN(22)]
		case 5, 6:
			data[at] = []byte{0xc0, 0xc2, 0xc3, 0xc1, 0xc7, 0xd4, 0xd5, 0x90, 0x91, 0x80, 0x81, 0xdd, 0xdf, 0xc9, 1, 2, 3, 4, 64, 65, 72}[m.IntN(21)]
		case 7, 8, 9:
			data[at] ^= 1 << m.IntN(8)
		default:
			data[at] = byte(m.Uint32())
		}
	}
	return data
}

// stream is what goes to Python: each message after its length.
type stream struct {
	next func() []byte
	left int
	part []byte
}

func (s *stream) Read(p []byte) (int, error) {
	for len(s.part) < len(p) && s.left > 0 {
		data := s.next()
		s.part = append(binary.BigEndian.AppendUint32(s.part, uint32(len(data))), data...)
		s.left--
	}
	if len(s.part) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.part)
	s.part = s.part[n:]
	return n, nil
}

// verdict is Python's answer to a message.
type verdict struct {
	plain, extended byte
	text            []byte
}

func (v verdict) reason() string {
	reason, _, _ := strings.Cut(string(v.text), " ")
	return reason
}

// foreign says whether Python refuses an extension of MessagePack's own, which Go only carries: it
// knows none but the timestamp, and checks that.
func (v verdict) foreign() bool {
	return strings.HasPrefix(string(v.text), "serdio.type ") &&
		(strings.Contains(string(v.text), "MessagePack's own") || strings.Contains(strings.ToLower(string(v.text)), "timestamp") || strings.Contains(string(v.text), "nanoseconds"))
}

// ask gives each of count messages to Python and to check. Both next must give the same ones.
func ask(t *testing.T, count int, next, again func() []byte, check func(round int, data []byte, v verdict)) {
	t.Helper()
	command := peer(t, "decode")
	command.Stdin = &stream{next: next, left: count}
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = command.Process.Kill() }()
	answers := bufio.NewReaderSize(output, 1<<20)
	for round := range count {
		var head [6]byte
		if _, err := io.ReadFull(answers, head[:]); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		v := verdict{plain: head[0], extended: head[1], text: make([]byte, binary.BigEndian.Uint32(head[2:]))}
		if _, err := io.ReadFull(answers, v.text); err != nil {
			t.Fatal(err)
		}
		data := again()
		if v.plain > 1 || v.extended > 1 {
			t.Fatalf("round %d: Python failed on %x: %s", round, data, v.text)
		}
		check(round, data, v)
		if t.Failed() {
			t.Fatalf("round %d: the message is %x", round, data)
		}
	}
	if err := command.Wait(); err != nil {
		t.Error(err)
	}
}

func TestPythonReadsAndWritesWhatGoDoes(t *testing.T) {
	t.Parallel()
	const count = 10_000
	number := seed(t)
	read := 0
	ask(t, count, newMessages(t, number).whole, newMessages(t, number).whole, func(_ int, data []byte, v verdict) {
		call, err := serdio.Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		if v.plain == 1 {
			read++
			same(t, data, call, v.text)
		} else if !v.foreign() {
			t.Errorf("Python refuses it: %s", v.text)
		}
	})
	if read < count/2 {
		t.Errorf("Python reads only %d", read)
	}
}

func TestGoAndPythonAgreeOnDamagedMessages(t *testing.T) {
	t.Parallel()
	number, count := seed(t), rounds(20_000, 1_000_000)
	accepted, extensions := 0, 0
	reasons := map[string]int{}
	ask(t, count, newMessages(t, number).damaged, newMessages(t, number).damaged, func(_ int, data []byte, v verdict) {
		call, err := serdio.Decode(data)
		if err != nil {
			wantFault(t, err, "serdio.")
			if v.plain == 1 {
				t.Errorf("Go refuses (%v) what Python takes", err)
			}
			reasons[v.reason()]++
			return
		}
		if v.plain == 0 {
			// Python's limits of depth and of hashes are lower.
			if reason := v.reason(); reason != "serdio.depth" && reason != "serdio.size" && !v.foreign() {
				t.Errorf("Python refuses (%s) what Go takes", v.text)
			}
			return
		}
		accepted++
		same(t, data, call, v.text)
		if len(call.Args) == 1 && len(call.Kwargs) == 0 {
			if ext, ok := call.Args[0].(serdio.Ext); ok && ext.Code >= serdio.CodeArray && ext.Code < serdio.CodeDataclass {
				extensions++
				if _, err := open(ext); (err == nil) != (v.extended == 1) {
					t.Errorf("Go opens the extension: %v; Python: %d", err, v.extended)
				}
			}
		}
	})
	t.Logf("%d messages, of which %d are decoded, %d of them one extension; refused by %v", count, accepted, extensions, reasons)
	if accepted < count/5 || extensions < count/50 || len(reasons) < 7 {
		t.Errorf("the damage is too uniform")
	}
}

// setInTuple matches a tuple that a message made of a set, which no encoder writes and both decoders
// take. Each byte of the message is a rune.
var setInTuple = regexp.MustCompile(`(?s)\x02([\x{d4}-\x{d8}]|\x{c7}.|\x{c8}..|\x{c9}....)[\x03\x04]`)

func holdsSetInTuple(message []byte) bool {
	runes := make([]rune, len(message))
	for i, b := range message {
		runes[i] = rune(b)
	}
	return setInTuple.MatchString(string(runes))
}

// same checks that Python wrote a call as Go does. It may write the elements of a set, and of a tuple
// that the message made of a set, in another order, and a timestamp in a shorter form.
func same(t *testing.T, message []byte, call serdio.Call, written []byte) {
	t.Helper()
	encoded, err := serdio.Encode(call.Args, call.Kwargs)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(encoded, written) || foreign(call) {
		return
	}
	again, err := serdio.Decode(written)
	if err != nil {
		t.Fatal(err)
	}
	mixed := holdsSetInTuple(message)
	form := func(c serdio.Call) string {
		return canonicalForm(serdio.Tuple(c.Args), mixed) + canonicalForm(c.Kwargs, mixed)
	}
	text, other := form(call), form(again)
	if text != other || !mixed && !strings.Contains(text, "set[") {
		t.Errorf("Python writes %x, Go %x", written, encoded)
	}
}

// foreign says whether a value holds an extension of MessagePack's own, which serdio only carries.
func foreign(v any) bool {
	switch v := v.(type) {
	case serdio.Call:
		return foreign(v.Args) || foreign(v.Kwargs)
	case serdio.Ext:
		return v.Code < 0
	case serdio.Tuple:
		return foreign([]any(v))
	case serdio.Set:
		return foreign([]any(v))
	case serdio.FrozenSet:
		return foreign([]any(v))
	case []any:
		for _, item := range v {
			if foreign(item) {
				return true
			}
		}
	case serdio.Map:
		for _, pair := range v {
			if foreign(pair.Key) || foreign(pair.Value) {
				return true
			}
		}
	}
	return false
}
