package sandbox

import (
	"errors"
	"os"
	"syscall"
	"testing"
)

func TestLessIsTriedWhereTheKernelRefuses(t *testing.T) {
	t.Parallel()
	var tried []Grant
	for g, ok := User, true; ok; g, ok = g.Less(os.NewSyscallError("clone", syscall.EPERM)) {
		tried = append(tried, g)
	}
	want := 2
	if os.Geteuid() == 0 {
		want = 4
	}
	if len(tried) != want || tried[len(tried)-1] != None {
		t.Errorf("tried: %v", tried)
	}
	if _, ok := User.Less(errors.New("no such interpreter")); ok {
		t.Error("less is tried for another reason")
	}
	if _, ok := User.Less(syscall.ENOENT); ok {
		t.Error("less is tried where the interpreter is missing")
	}
}

func TestWhatIsRefusedIsFoundOutWithoutAProcess(t *testing.T) {
	t.Parallel()
	if err := None.Refused(); err != nil {
		t.Errorf("no namespaces at all are refused: %v", err)
	}
	if err := Root.Refused(); (err == nil) != (os.Geteuid() == 0) && !errors.Is(err, syscall.EPERM) {
		t.Errorf("without a user namespace: %v", err)
	}
}

func TestEachProcessOfRootGetsAUserOfItsOwn(t *testing.T) {
	t.Parallel()
	for mapped, want := range map[string]int{
		"         0          0 4294967295\n": unusedUsers + 0x1234567,
		"":                                   unusedUsers + 0x1234567,
		"0 100000 65536\n":                   containerUsers + 0x1234567%containerUsersCount,
		"         0       1000          1\n 1 100000 65536\n": containerUsers + 0x1234567%containerUsersCount,
		"0 1000 1\n": unusedUsers + 0x1234567, // there is none, which is said at the start
	} {
		if got := unusedUser(mapped, 0x1234567); got != want {
			t.Errorf("where users are mapped as %q: %d, want %d", mapped, got, want)
		}
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	one, user := Attributes(User, 1)
	two, _ := Attributes(User, 2)
	if user != InnerUser || one.UidMappings[1].HostID == two.UidMappings[1].HostID || one.UidMappings[1].HostID < containerUsers {
		t.Errorf("%v, %v", one.UidMappings, two.UidMappings)
	}
	if alone, user := Attributes(Alone, 1); user != 0 || len(alone.UidMappings) != 1 || alone.GidMappingsEnableSetgroups {
		t.Errorf("alone: %d, %v", user, alone.UidMappings)
	}
	if none, user := Attributes(None, 1); user < containerUsers || none.Cloneflags != 0 {
		t.Errorf("none: %d, %v", user, none.Cloneflags)
	}
}
