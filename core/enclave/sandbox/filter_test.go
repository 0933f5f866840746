package sandbox

import (
	"encoding/binary"
	"testing"
)

// run is what the kernel does with a filter, for the instructions that filters here have.
func run(t *testing.T, filter []byte, architecture, number uint32, arguments ...uint64) uint32 {
	t.Helper()
	data := make([]byte, 64)
	binary.LittleEndian.PutUint32(data, number)
	binary.LittleEndian.PutUint32(data[4:], architecture)
	for i, argument := range arguments {
		binary.LittleEndian.PutUint64(data[16+8*i:], argument)
	}
	var accumulator uint32
	for at := 0; at+instructionSize <= len(filter); at += instructionSize {
		code := binary.LittleEndian.Uint16(filter[at:])
		jump := map[bool]int{true: int(filter[at+2]), false: int(filter[at+3])}
		value := binary.LittleEndian.Uint32(filter[at+4:])
		switch code {
		case loadWord:
			accumulator = binary.LittleEndian.Uint32(data[value:])
		case jumpEqual:
			at += instructionSize * jump[accumulator == value]
		case jumpAtLeast:
			at += instructionSize * jump[accumulator >= value]
		case jumpAnyBit:
			at += instructionSize * jump[accumulator&value != 0]
		case returnConstant:
			return value
		default:
			t.Fatalf("instruction %#x at %d", code, at)
		}
	}
	t.Fatal("the filter has no end")
	return 0
}

func TestFilterDeniesWhatFunctionsDoNotNeed(t *testing.T) {
	t.Parallel()
	const amd64, arm64 = 0xc000003e, 0xc00000b7
	cases := []struct {
		what      string
		amd64     uint32
		arm64     uint32
		arguments []uint64
		answer    uint32
	}{
		{"read", 0, 63, nil, answerAllow},
		{"write", 1, 64, nil, answerAllow},
		{"mmap", 9, 222, nil, answerAllow},
		{"execve", 59, 221, nil, answerAllow},
		{"futex", 202, 98, nil, answerAllow},
		{"rseq", 334, 293, nil, answerAllow},
		{"a thread", 56, 220, []uint64{0x3d0f00}, answerAllow},
		{"a fork", 56, 220, []uint64{0x1200011}, answerAllow},
		{"clone into a user namespace", 56, 220, []uint64{0x10000011}, answerDenied},
		{"clone into a network namespace", 56, 220, []uint64{0x40000011}, answerDenied},
		{"clone into a mount namespace", 56, 220, []uint64{0x20011}, answerDenied},
		{"clone3", 435, 435, nil, answerUnknown},
		{"unshare", 272, 97, nil, answerDenied},
		{"ptrace", 101, 117, nil, answerDenied},
		{"mount", 165, 40, nil, answerDenied},
		{"bpf", 321, 280, nil, answerDenied},
		{"io_uring_setup", 425, 425, nil, answerDenied},
		{"a Unix socket", 41, 198, []uint64{1, 1}, answerAllow},
		{"an Internet socket", 41, 198, []uint64{2, 1}, answerDenied},
		{"an IPv6 socket", 41, 198, []uint64{10, 1}, answerDenied},
		{"a netlink socket", 41, 198, []uint64{16, 3}, answerDenied},
		{"a packet socket", 41, 198, []uint64{17, 3}, answerDenied},
		{"a vsock socket", 41, 198, []uint64{40, 1}, answerDenied},
		{"a socket of the kernel's ciphers", 41, 198, []uint64{38, 5}, answerDenied},
		{"an Internet socket with more above", 41, 198, []uint64{1<<32 | 2, 1}, answerDenied},
		{"a pair of Unix sockets", 53, 199, []uint64{1, 1}, answerAllow},
		{"a pair of TIPC sockets", 53, 199, []uint64{30, 1}, answerDenied},
		{"a larger buffer", 54, 208, []uint64{5, 1, 7}, answerDone},
		{"another option of a socket", 54, 208, []uint64{5, 1, 2}, answerAllow},
		{"setns", 308, 268, nil, answerDenied},
		{"process_vm_readv", 310, 270, nil, answerDenied},
		{"process_vm_writev", 311, 271, nil, answerDenied},
		{"keyctl", 250, 219, nil, answerDenied},
		{"add_key", 248, 217, nil, answerDenied},
		{"userfaultfd", 323, 282, nil, answerDenied},
		{"perf_event_open", 298, 241, nil, answerDenied},
		{"open_by_handle_at", 304, 265, nil, answerDenied},
		{"kexec_load", 246, 104, nil, answerDenied},
		{"kexec_file_load", 320, 294, nil, answerDenied},
		{"personality", 135, 92, nil, answerDenied},
		{"memfd_create", 319, 279, nil, answerDenied},
		{"pidfd_getfd", 438, 438, nil, answerDenied},
		{"pidfd_send_signal", 424, 424, nil, answerDenied},
		{"pidfd_open", 434, 434, nil, answerAllow},
		{"mount_setattr", 442, 442, nil, answerDenied},
		{"landlock_create_ruleset", 444, 444, nil, answerDenied},
		{"tgkill of the first process", 234, 131, []uint64{1, 1, 9}, answerDenied},
		{"clone into a process namespace", 56, 220, []uint64{0x20000011}, answerDenied},
		{"clone into an IPC namespace", 56, 220, []uint64{0x8000011}, answerDenied},
		{"prctl of a name", 157, 167, []uint64{15}, answerAllow},
		{"prctl of the death signal", 157, 167, []uint64{1}, answerDenied},
		{"kill of a child", 62, 129, []uint64{7, 9}, answerAllow},
		{"kill of the first process", 62, 129, []uint64{1, 9}, answerDenied},
		{"ioctl of a size", 16, 29, []uint64{1, 0x5413}, answerAllow},
		{"ioctl of typing", 16, 29, []uint64{1, 0x5412}, answerDenied},
		{"ioctl of typing with more above", 16, 29, []uint64{1, 1<<32 | 0x5412}, answerDenied},
		{"inotify_init1", 294, 26, nil, answerDenied},
		{"io_setup", 206, 0, nil, answerDenied},
		{"vmsplice", 278, 75, nil, answerDenied},
		{"splice", 275, 76, nil, answerAllow},
		{"seccomp", 317, 277, nil, answerDenied},
		{"prctl of a filter", 157, 167, []uint64{22, 2}, answerDenied},
		{"fcntl of a lock", 72, 25, []uint64{5, 6}, answerAllow},
		{"fcntl of a lock of nobody", 72, 25, []uint64{5, 37}, answerDenied},
		{"fcntl of a lease", 72, 25, []uint64{5, 0x400}, answerDenied},
		{"fcntl of a folder's news", 72, 25, []uint64{5, 0x402}, answerDenied},
		{"fsync", 74, 82, []uint64{5}, answerDone},
		{"sync", 162, 81, nil, answerDone},
		{"msync that waits", 26, 227, []uint64{0, 4096, 4}, answerDone},
		{"msync that does not", 26, 227, []uint64{0, 4096, 1}, answerAllow},
		{"a call of years to come", 600, 600, nil, answerUnknown},
	}
	for _, c := range cases {
		for _, on := range []struct {
			name         string
			architecture uint32
			number       uint32
		}{{"amd64", amd64, c.amd64}, {"arm64", arm64, c.arm64}} {
			if got := run(t, Filter(on.name), on.architecture, on.number, c.arguments...); got != c.answer {
				t.Errorf("%s on %s: %#x, want %#x", c.what, on.name, got, c.answer)
			}
		}
	}
	if got := run(t, Filter("amd64"), amd64, 0x40000000|101); got != answerKill {
		t.Errorf("ptrace of the x32 ABI: %#x", got)
	}
	if got := run(t, Filter("amd64"), 0x40000003, 26); got != answerKill {
		t.Errorf("ptrace of i386: %#x", got)
	}
	if got := run(t, Filter("amd64"), amd64, 0xffffffff); got != answerKill {
		t.Errorf("the call -1: %#x", got)
	}
	if got := run(t, Filter("arm64"), 0x40000028, 26); got != answerKill {
		t.Errorf("ptrace of 32-bit ARM: %#x", got)
	}
	if Filter("riscv64") != nil {
		t.Error("there is a filter for an architecture without a table")
	}
}

func TestLimitsThatAreNotGivenHaveDefaults(t *testing.T) {
	t.Parallel()
	settled := Limits{Processes: 7}.Settle()
	if settled.Processes != 7 || settled.Memory != 1<<30 || settled.CPU == 0 || settled.Descriptors == 0 || settled.Files == 0 {
		t.Errorf("settled: %+v", settled)
	}
	if !settled.Valid() || (Limits{Files: -1}).Valid() || (Limits{CPU: -1}).Valid() {
		t.Error("what is valid is judged wrongly")
	}
}
