package capelib_test

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/libcape/libcape/capelib"
	"github.com/libcape/libcape/core/capekey"
	"github.com/libcape/libcape/core/transport"
	"github.com/libcape/libcape/core/wire"
)

const echoSource = "def cape_handler(input):\n    return input\n"

// functionFolder makes a folder with an app.py, and other files in turn of name and content.
func functionFolder(t testing.TB, name string, files ...string) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), name)
	files = append(files, "app.py", echoSource)
	for i := 0; i < len(files); i += 2 {
		file := filepath.Join(folder, files[i])
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(files[i+1]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

func soon() time.Time { return time.Now().Add(10 * time.Second) }

// taken is what arrives at the route of deployments.
type taken struct {
	deployment wire.Deployment
	zip        []byte
}

// takes serves the two routes that a deployment wants, answers with an id, and tells how the
// connection ends.
func (s *service) takes() (<-chan taken, <-chan error) {
	arrived, ended := make(chan taken, 1), make(chan error, 1)
	s.attested("/v1/key", statingKey(capeKeyDER(s.t)), untilClosed)
	s.attested("/v1/deploy", "", func(conn *transport.Conn, _ []string) {
		kind, frame, err := conn.Read()
		if err != nil || kind != transport.Text {
			s.t.Error(kind, err)
			return
		}
		deployment, err := wire.DecodeDeployment(frame)
		if err != nil {
			s.t.Error(err)
			return
		}
		kind, frame, err = conn.Read()
		if err != nil || kind != transport.Binary {
			s.t.Error(kind, err)
			return
		}
		archive, err := capekey.Decrypt(capeKey(), frame)
		if err != nil {
			s.t.Error(err)
		}
		arrived <- taken{deployment, archive}
		_ = conn.Write(transport.Text, wire.EncodeDeployed("HV2qsP5hWcXDMwGMqNTJ7Z"), soon())
		_, _, err = conn.Read()
		ended <- err
	})
	return arrived, ended
}

func TestDeploySendsAFolder(t *testing.T) {
	t.Parallel()
	s := startService(t)
	arrived, ended := s.takes()
	folder := functionFolder(t, "echo.v1", "data/x", strings.Repeat("x", 100_000))
	var done, total int64
	deployed, err := capelib.Deploy(context.Background(), s.options(), capelib.Deployment{Path: folder, Public: true,
		Progress: func(d, all int64) {
			if d <= done || d > all {
				t.Errorf("progress goes from %d to %d of %d", done, d, all)
			}
			done, total = d, all
		}})
	if err != nil {
		t.Fatal(err)
	}
	got := <-arrived
	sum := sha256.Sum256(got.zip)
	if deployed.ID != "HV2qsP5hWcXDMwGMqNTJ7Z" || deployed.Name != "echo" || !bytes.Equal(deployed.Checksum, sum[:]) || deployed.Report.Verdict != "accepted" {
		t.Errorf("%+v", deployed)
	}
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "websocket code 1000") {
		t.Errorf("the connection ends with %v", err)
	}
	if got.deployment != (wire.Deployment{Name: "echo", Public: true}) {
		t.Errorf("%+v", got.deployment)
	}
	if size := int64(100_000 + len(echoSource)); done != size || total != size {
		t.Errorf("progress ends at %d of %d", done, total)
	}
	files, err := zip.NewReader(bytes.NewReader(got.zip), int64(len(got.zip)))
	if err != nil || len(files.File) != 2 || files.File[0].Name != "echo.v1/app.py" {
		t.Errorf("%+v, %v", files, err)
	}
}

func TestDeploySendsAZipAsItIs(t *testing.T) {
	t.Parallel()
	s := startService(t)
	arrived, _ := s.takes()
	file := filepath.Join(t.TempDir(), "my-function.zip")
	archive := zipOf(t, "app.py", echoSource)
	if err := os.WriteFile(file, archive, 0o600); err != nil {
		t.Fatal(err)
	}
	deployed, err := capelib.Deploy(context.Background(), s.options(), capelib.Deployment{Path: file, Key: capeKeyDER(t)})
	if err != nil || deployed.Name != "my-function" {
		t.Fatalf("%+v, %v", deployed, err)
	}
	if got := <-arrived; !bytes.Equal(got.zip, archive) {
		t.Error("another zip arrived")
	}
}

func zipOf(t testing.TB, entries ...string) []byte {
	t.Helper()
	var archive bytes.Buffer
	w := zip.NewWriter(&archive)
	for i := 0; i < len(entries); i += 2 {
		into, err := w.Create(entries[i])
		if err == nil {
			_, err = into.Write([]byte(entries[i+1]))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return archive.Bytes()
}

func TestWhatCannotBeDeployedIsRefusedBeforeAnythingIsSent(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	write := func(name string, content []byte) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	outside := write("secret", []byte("secret"))
	linked := functionFolder(t, "linked")
	if err := os.Symlink(outside, filepath.Join(linked, "secret")); err != nil {
		t.Fatal(err)
	}
	large := functionFolder(t, "large")
	if err := os.Truncate(filepath.Join(large, "app.py"), 1_000_000_001); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(folder, "empty")
	if err := os.Mkdir(empty, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ path, says string }{
		"nothing":           {"", "nothing to deploy"},
		"nothing there":     {filepath.Join(folder, "none"), "not there"},
		"an empty folder":   {empty, "holds no file"},
		"a link out":        {linked, "lead out of the folder"},
		"too large":         {large, "more than 1000000000 bytes"},
		"not a zip":         {write("a.zip", []byte("no zip")), "not a zip"},
		"a zip of nothing":  {write("b.zip", zipOf(t, "readme", "")), "no app.py"},
		"a zip bomb":        {write("c.zip", bomb(t)), "more than 1000000000 bytes"},
		"neither of both":   {"/dev/null", "neither"},
		"folder, no app.py": {folder, "no app.py"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startService(t) // has no routes: it is not asked
			_, err := capelib.Deploy(context.Background(), s.options(), capelib.Deployment{Path: c.path, Key: capeKeyDER(t)})
			if failure := wantError(t, err, capelib.CodeArgument, "argument.deployment"); !strings.Contains(failure.Message, c.says) {
				t.Error(failure.Message)
			}
			_, _, err = capelib.Test(context.Background(), s.options(), c.path, nil)
			wantError(t, err, capelib.CodeArgument, "argument.deployment")
		})
	}
}

// bomb is a small zip that unpacks to a gigabyte and more.
func bomb(t testing.TB) []byte {
	t.Helper()
	const size = 16 << 20
	var packed, archive bytes.Buffer
	compressor, err := flate.NewWriter(&packed, flate.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	zeroes := make([]byte, size)
	if _, err := compressor.Write(zeroes); err != nil {
		t.Fatal(err)
	}
	if err := compressor.Close(); err != nil {
		t.Fatal(err)
	}
	w := zip.NewWriter(&archive)
	for i := range 60 {
		into, err := w.CreateRaw(&zip.FileHeader{Name: fmt.Sprintf("bomb/%d", i), Method: zip.Deflate, CRC32: crc32.ChecksumIEEE(zeroes),
			CompressedSize64: uint64(packed.Len()), UncompressedSize64: size})
		if err == nil {
			_, err = into.Write(packed.Bytes())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return archive.Bytes()
}

func TestNamesThatAreNoneAreRefused(t *testing.T) {
	t.Parallel()
	s := startService(t)
	for _, d := range []capelib.Deployment{
		{Path: functionFolder(t, "echo"), Name: "a/b/c"},
		{Path: functionFolder(t, "echo"), Name: ".."},
		{Path: functionFolder(t, "echo"), Name: strings.Repeat("x", 129)},
		{Path: functionFolder(t, ".hidden")},
	} {
		_, err := capelib.Deploy(context.Background(), s.options(), d)
		wantError(t, err, capelib.CodeArgument, "argument.function")
	}
	_, err := capelib.Deploy(context.Background(), s.options(), capelib.Deployment{Path: functionFolder(t, "echo"), Key: []byte("key")})
	wantError(t, err, capelib.CodeArgument, "argument.key")
}

func TestDeployTellsHowItWent(t *testing.T) {
	t.Parallel()
	random := make([]byte, 16<<20) // more than the buffers on the way
	_, _ = rand.Read(random)
	folder := functionFolder(t, "echo", "random", string(random))
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	for name, c := range map[string]struct {
		handle       func(conn *transport.Conn, offered []string)
		code         capelib.Code
		reason, says string
	}{
		"refused after all": {func(conn *transport.Conn, _ []string) {
			_, _, _ = conn.Read()
			_, _, _ = conn.Read()
			_ = conn.Write(transport.Text, wire.EncodeError("the name header.payload.signature is taken"), soon())
		}, capelib.CodeFunction, "function.refused", "the name [token] is taken"},
		"refused at once": {func(conn *transport.Conn, _ []string) {
			_, _, _ = conn.Read()
			_ = conn.Write(transport.Text, wire.EncodeError("the name is taken"), soon())
		}, capelib.CodeFunction, "function.refused", "the name is taken"},
		"refused and drained": {func(conn *transport.Conn, _ []string) {
			_, _, _ = conn.Read()
			_ = conn.Write(transport.Text, wire.EncodeError("the name is taken"), soon())
			if _, _, err := conn.Read(); err == nil {
				t.Error("all of it was sent nevertheless")
			}
		}, capelib.CodeFunction, "function.refused", "the name is taken"},
		"taken too early": {func(conn *transport.Conn, _ []string) {
			_, _, _ = conn.Read()
			_ = conn.Write(transport.Text, wire.EncodeDeployed("x"), soon())
			_, _, _ = conn.Read()
		}, capelib.CodeProtocol, "protocol.message", "before the function was sent"},
		"lost before": {func(*transport.Conn, []string) {}, capelib.CodeClosed, "closed.not_sent", "deploy it again"},
		"lost after": {func(conn *transport.Conn, _ []string) {
			_, _, _ = conn.Read()
			_, _, _ = conn.Read()
		}, capelib.CodeClosed, "closed.outcome_unknown", "list"},
		"nothing taken": {func(*transport.Conn, []string) { <-release }, capelib.CodeTimeout, "timeout.not_sent", ""},
		"nonsense": {func(conn *transport.Conn, _ []string) {
			_, _, _ = conn.Read()
			_, _, _ = conn.Read()
			_ = conn.Write(transport.Text, []byte("ok"), soon())
		}, capelib.CodeProtocol, "protocol.json", ""},
		"binary": {func(conn *transport.Conn, _ []string) {
			_, _, _ = conn.Read()
			_, _, _ = conn.Read()
			_ = conn.Write(transport.Binary, wire.EncodeDeployed("x"), soon())
		}, capelib.CodeProtocol, "protocol.frame", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startService(t)
			s.attested("/v1/deploy", "", c.handle)
			o := s.options()
			if c.code == capelib.CodeTimeout {
				o.Timeout = time.Second
			}
			_, err := capelib.Deploy(context.Background(), o, capelib.Deployment{Path: folder, Key: capeKeyDER(t)})
			if failure := wantError(t, err, c.code, c.reason); !strings.Contains(failure.Message, c.says) {
				t.Error(failure.Message)
			}
		})
	}
}

func TestACancelledDeploymentEndsAtOnce(t *testing.T) {
	t.Parallel()
	s := startService(t)
	sent := make(chan struct{})
	s.attested("/v1/deploy", "", func(conn *transport.Conn, _ []string) {
		_, _, _ = conn.Read()
		_, _, _ = conn.Read()
		close(sent)
		untilClosed(conn, nil)
	})
	ctx, cancel := context.WithCancel(context.Background())
	transport.Spawn(func() { <-sent; cancel() }, nil)
	_, err := capelib.Deploy(ctx, s.options(), capelib.Deployment{Path: functionFolder(t, "echo"), Key: capeKeyDER(t)})
	wantError(t, err, capelib.CodeCancelled, "cancelled.outcome_unknown")
	_, err = capelib.Deploy(ctx, s.options(), capelib.Deployment{Path: functionFolder(t, "echo"), Key: capeKeyDER(t)})
	wantError(t, err, capelib.CodeCancelled, "cancelled.not_sent")
}

func TestDeployHoldsNoMoreThanAPieceOfALargeFolder(t *testing.T) {
	random := make([]byte, 96<<20)
	_, _ = rand.Read(random[:32<<20])
	folder := functionFolder(t, "large", "x", string(random))
	random = nil
	s := startService(t)
	s.attested("/v1/deploy", "", func(conn *transport.Conn, _ []string) {
		_, _, _ = conn.Read()
		raw := conn.NetConn() // what follows is read in pieces, and thrown away
		buffer := make([]byte, 64<<10)
		for {
			if _, err := raw.Read(buffer); err != nil {
				return
			}
		}
	})
	o := s.options()
	o.Timeout = 5 * time.Second
	runtime.GC()
	var before, now runtime.MemStats
	runtime.ReadMemStats(&before)
	highest := uint64(0)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	reads := 0
	_, err := capelib.Deploy(ctx, o, capelib.Deployment{Path: folder, Key: capeKeyDER(t), Progress: func(done, total int64) {
		if reads++; reads%256 == 0 {
			runtime.ReadMemStats(&now)
			highest = max(highest, now.HeapInuse)
		}
		if done == total {
			cancel()
		}
	}})
	if failure := capelib.AsError(err); failure == nil || failure.Code != capelib.CodeCancelled {
		t.Fatal(err)
	}
	if highest == 0 || highest > before.HeapInuse+32<<20 {
		t.Errorf("the heap grows from %d to %d bytes", before.HeapInuse, highest)
	}
}
