package enclave

import (
	"os"
	"strings"
	"testing"
)

func TestTheImageIsTheFileThatTheCodeIsMappedFrom(t *testing.T) {
	t.Parallel()
	const executable = "/opt/a program (deleted)"
	maps := `00400000-00500000 r-xp 00000000 08:01 11 /usr/bin/python3
7f0000000000-7f0000001000 r-xp 00000000 08:01 12   /opt/my lib/libcape.so
7f0000001000-7f0000002000 r-xp 00000000 08:01 13   /opt/old/libcape.so (deleted)
7f0000002000-7f0000003000 r-xp 00000000 08:01 14   ` + executable + `
7f0000003000-7f0000004000 r-xp 00000000 00:00 0
`
	for _, c := range []struct {
		address    uint64
		path, text string
	}{
		{0x400000, "/usr/bin/python3", ""},
		{0x7f0000000fff, "/opt/my lib/libcape.so", ""},
		{0x7f0000001000, "", "/opt/old/libcape.so was replaced or removed after it was loaded: restart the program"},
		{0x7f0000002000, "/proc/self/exe", ""},
		{0x7f0000003000, "", "mapped from no file"},
		{0x7f0000004000, "", "in no mapping"},
	} {
		path, err := mappedImage(strings.NewReader(maps), c.address, executable)
		if path != c.path || (err == nil) != (c.text == "") {
			t.Errorf("at %x: %q, %v", c.address, path, err)
		}
		if err != nil && !strings.Contains(err.Error(), c.text) {
			t.Errorf("at %x: the error is %q, want one with %q", c.address, err, c.text)
		}
	}
}

func TestALibraryWhoseNameSaysDeletedIsMeasured(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/libcape.so (deleted)"
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	found, err := mappedImage(strings.NewReader("1000-2000 r-xp 00000000 08:01 11 "+path+"\n"), 0x1000, "/bin/true")
	if err != nil || found != path {
		t.Errorf("got %q, %v", found, err)
	}
}
