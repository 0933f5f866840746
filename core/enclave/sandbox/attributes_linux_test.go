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
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	one, user := Attributes(User, 1)
	two, _ := Attributes(User, 2)
	if user != InnerUser || one.UidMappings[1].HostID == two.UidMappings[1].HostID || one.UidMappings[1].HostID < unusedUsers {
		t.Errorf("%v, %v", one.UidMappings, two.UidMappings)
	}
	if alone, user := Attributes(Alone, 1); user != 0 || len(alone.UidMappings) != 1 || alone.GidMappingsEnableSetgroups {
		t.Errorf("alone: %d, %v", user, alone.UidMappings)
	}
	if none, user := Attributes(None, 1); user < unusedUsers || none.Cloneflags != 0 {
		t.Errorf("none: %d, %v", user, none.Cloneflags)
	}
}
