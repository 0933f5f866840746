package sandbox

import "encoding/binary"

// Filter returns the seccomp program for functions on an architecture, by its name in Go, as an
// array of struct sock_filter; nil where there is none.
//
// It lists what is denied, not what is allowed: functions bring native code of any kind, and an
// allow-list would break some of it with every release of a C library, for calls such as rseq
// that no one thinks of. What such a list is usually wrong about is calls that came later, so
// all that are newer than this file do not exist for functions. A C library does without them,
// as it does on an older kernel.
func Filter(architecture string) []byte {
	table, ok := systemCalls(architecture)
	if !ok {
		return nil
	}
	p := program{}
	p.load(offsetArchitecture)
	p.unlessEqual(table.audit, answerKill)
	p.load(offsetNumber)
	if table.foreign != 0 {
		p.ifAtLeast(table.foreign, answerKill)
	}
	p.ifAtLeast(callNewest+1, answerUnknown)
	p.ifEqual(callClone3, answerUnknown) // its flags cannot be seen; libraries fall back to clone
	for _, number := range table.denied {
		p.ifEqual(number, answerDenied)
	}
	for _, number := range deniedEverywhere {
		p.ifEqual(number, answerDenied)
	}
	p.argument(table.clone, 0, func(p *program) { p.ifAnyBit(newNamespaces, answerDenied) })
	for _, number := range table.socket {
		p.argument(number, 0, func(p *program) { p.unlessEqual(familyUnix, answerDenied) })
	}
	p.argument(table.socketOption, 2, func(p *program) { p.ifEqual(sendBuffer, answerDone) })
	p.argument(table.prctl, 0, func(p *program) {
		p.ifEqual(setParentDeathSignal, answerDenied)
		p.ifEqual(setFilter, answerDenied)
	})
	p.argument(table.fcntl, 1, func(p *program) {
		p.ifEqual(setLease, answerDenied)
		p.ifEqual(notify, answerDenied)
		p.ifEqual(lockOfFile, answerDenied)
		p.ifEqual(lockOfFileWait, answerDenied)
	})
	p.argument(table.ioctl, 1, func(p *program) {
		p.ifEqual(terminalInput, answerDenied)
		p.ifEqual(terminalConsole, answerDenied)
	})
	// What functions write is in memory, or goes with them. Of the host's files that they can read
	// they could have the host's disk written again and again.
	for _, number := range table.done {
		p.ifEqual(number, answerDone)
	}
	p.argument(table.msync, 2, func(p *program) { p.ifAnyBit(synchronously, answerDone) })
	for _, number := range table.kill {
		p.argument(number, 0, func(p *program) { p.ifEqual(firstProcess, answerDenied) })
	}
	p.add(returnConstant, 0, 0, answerAllow)
	return p
}

const (
	newNamespaces        = 0x7e020080 // CLONE_NEW*, 0x80 being NEWTIME
	familyUnix           = 1
	sendBuffer           = 7      // SO_SNDBUF: what waits in sockets is counted at its default
	setParentDeathSignal = 1      // PR_SET_PDEATHSIG: see spawner of the enclave
	setFilter            = 22     // PR_SET_SECCOMP: filters are memory that nobody counts
	setLease             = 0x400  // F_SETLEASE: whoever writes a file that is leased waits
	notify               = 0x402  // F_NOTIFY: it tells what others do with the files of a folder
	lockOfFile           = 37     // F_OFD_SETLK: nobody can tell whose such locks are, and so count them
	lockOfFileWait       = 38     // F_OFD_SETLKW
	synchronously        = 4      // MS_SYNC
	terminalInput        = 0x5412 // TIOCSTI
	terminalConsole      = 0x541c // TIOCLINUX
	firstProcess         = 1      // the sandbox's own
)

// Offsets in struct seccomp_data. The low half of an argument comes first: both architectures are
// little-endian.
const (
	offsetNumber       = 0
	offsetArchitecture = 4
	offsetArguments    = 16
)

const (
	answerKill    = 0x80000000      // SECCOMP_RET_KILL_PROCESS
	answerAllow   = 0x7fff0000      // SECCOMP_RET_ALLOW
	answerDone    = 0x00050000      // SECCOMP_RET_ERRNO, 0: as if it had been done
	answerDenied  = 0x00050000 | 1  // SECCOMP_RET_ERRNO, EPERM
	answerUnknown = 0x00050000 | 38 // ENOSYS
)

// Instructions of classic BPF.
const (
	loadWord       = 0x20 // BPF_LD | BPF_W | BPF_ABS
	jumpEqual      = 0x15 // BPF_JMP | BPF_JEQ | BPF_K
	jumpAtLeast    = 0x35 // BPF_JMP | BPF_JGE | BPF_K
	jumpAnyBit     = 0x45 // BPF_JMP | BPF_JSET | BPF_K
	returnConstant = 0x06 // BPF_RET | BPF_K
)

// program is instructions in the form in which the kernel takes them.
type program []byte

const instructionSize = 8

func (p *program) add(code uint16, ifTrue, ifFalse uint8, value uint32) {
	*p = binary.LittleEndian.AppendUint16(*p, code)
	*p = append(*p, ifTrue, ifFalse)
	*p = binary.LittleEndian.AppendUint32(*p, value)
}

func (p *program) load(offset uint32) { p.add(loadWord, 0, 0, offset) }

func (p *program) ifEqual(value, answer uint32) {
	p.add(jumpEqual, 0, 1, value)
	p.add(returnConstant, 0, 0, answer)
}

func (p *program) unlessEqual(value, answer uint32) {
	p.add(jumpEqual, 1, 0, value)
	p.add(returnConstant, 0, 0, answer)
}

func (p *program) ifAtLeast(value, answer uint32) {
	p.add(jumpAtLeast, 0, 1, value)
	p.add(returnConstant, 0, 0, answer)
}

func (p *program) ifAnyBit(bits, answer uint32) {
	p.add(jumpAnyBit, 0, 1, bits)
	p.add(returnConstant, 0, 0, answer)
}

// argument adds checks of one argument of one call, of which only the low half counts: none of
// those that are looked at is wider.
func (p *program) argument(number uint32, index uint32, checks func(*program)) {
	var inner program
	inner.load(offsetArguments + 8*index)
	checks(&inner)
	inner.add(returnConstant, 0, 0, answerAllow)
	p.add(jumpEqual, 0, uint8(len(inner)/instructionSize), number)
	*p = append(*p, inner...)
}
