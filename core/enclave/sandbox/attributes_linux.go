package sandbox

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
)

const (
	// InnerUser is the user that functions run under in a user namespace of a host who is root.
	InnerUser = 1000
	// unusedUsers is where the users begin that nobody is: systemd's list of user ids has none
	// from 1879048192 on.
	unusedUsers      = 0x70000000
	unusedUsersCount = 0x10000000
	// A container often has no more than 65536 users. Debian's and systemd's lists have from here on
	// those that packages and services get when they ask for one.
	containerUsers      = 60000
	containerUsersCount = 5000
)

// Attributes returns how to start a process in the namespaces of a grant, and the user for its
// [Settings]. number tells apart the processes of a host who is root: each gets a user of its own.
func Attributes(g Grant, number uint32) (*syscall.SysProcAttr, int) {
	const namespaces = syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS
	root := os.Geteuid() == 0
	users, _ := os.ReadFile("/proc/self/uid_map")
	unused := unusedUser(string(users), number)
	attributes := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	user := 0
	if root {
		user = unused
	}
	switch g {
	case None:
	case Root:
		attributes.Cloneflags = namespaces
	default:
		attributes.Cloneflags = namespaces | syscall.CLONE_NEWUSER
		attributes.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		attributes.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
		user = 0
		if root && g == User {
			user = InnerUser
			inner := syscall.SysProcIDMap{ContainerID: InnerUser, HostID: unused, Size: 1}
			attributes.UidMappings = append(attributes.UidMappings, inner)
			attributes.GidMappings = append(attributes.GidMappings, inner)
			attributes.GidMappingsEnableSetgroups = true
		}
	}
	return attributes, user
}

// unusedUser returns a user that nobody is, and who exists where users are mapped as in
// /proc/self/uid_map: for each range its first user here, the first one outside, and how many.
func unusedUser(mapped string, number uint32) int {
	end := int64(0)
	for line := range strings.Lines(mapped) {
		var first, outside, count int64
		if _, err := fmt.Sscan(line, &first, &outside, &count); err == nil {
			end = max(end, first+count)
		}
	}
	if end >= containerUsers+containerUsersCount && end < unusedUsers+unusedUsersCount {
		return containerUsers + int(number%containerUsersCount)
	}
	return unusedUsers + int(number%unusedUsersCount)
}

// Refused returns the error with which the kernel refuses the namespaces of a grant; nil: it does
// not. Processes are not started to find that out, since each start with users that the kernel
// refuses leaves a pipe open in this process (syscall.StartProcess).
func (g Grant) Refused() error {
	const nowhere = "/proc/self/no such program"
	attributes, _ := Attributes(g, 0)
	attributes.UidMappings, attributes.GidMappings = nil, nil
	_, err := os.StartProcess(nowhere, []string{nowhere}, &os.ProcAttr{Sys: attributes})
	if errors.Is(err, syscall.ENOENT) { // it got that far
		return nil
	}
	return err
}

// Less returns what to try when a start with a grant fails with this error; ok is false when the
// error is about something else, or there is nothing less.
func (g Grant) Less(err error) (less Grant, ok bool) {
	if g == None || !refusal(err) {
		return g, false
	}
	if os.Geteuid() == 0 {
		return g + 1, true
	}
	return None, true
}

// refusal tells errors with which kernels and their policies refuse namespaces.
func refusal(err error) bool {
	for _, number := range []syscall.Errno{syscall.EPERM, syscall.EACCES, syscall.ENOSPC, syscall.EINVAL, syscall.ENOSYS, syscall.EUSERS} {
		if errors.Is(err, number) {
			return true
		}
	}
	return false
}
