package sandbox

// calls are the numbers of the system calls that the filter names, of one architecture.
type calls struct {
	audit        uint32 // AUDIT_ARCH_*, as the kernel tells filters
	foreign      uint32 // numbers from here on are of another ABI of the same architecture; 0: there is none
	clone        uint32
	socket       []uint32 // those whose first argument is a family
	socketOption uint32
	prctl        uint32
	ioctl        uint32
	fcntl        uint32
	msync        uint32
	kill         []uint32 // those whose first argument is a process
	denied       []uint32
	done         []uint32 // have the answer as if they had been done
}

// From here on, numbers are the same on all architectures.
const (
	callClone3 = 435
	// callNewest is the newest call that was judged for the filter: rseq_slice_yield, Linux 7.0.
	callNewest = 471
)

// deniedEverywhere are calls with the same number on all architectures.
var deniedEverywhere = [...]uint32{
	424,           // pidfd_send_signal: another way to signal the first process
	425, 426, 427, // io_uring_setup, _enter, _register: other ways to do what is filtered
	428, 429, 430, 431, 432, 433, // open_tree, move_mount, fsopen, fsconfig, fsmount, fspick
	438,           // pidfd_getfd
	440,           // process_madvise
	442,           // mount_setattr
	443,           // quotactl_fd
	444, 445, 446, // landlock_create_ruleset, _add_rule, _restrict_self: rules are memory that nobody counts
	447,      // memfd_secret
	457, 458, // statmount, listmount
	467, // open_tree_attr
	470, // listns
}

// systemCalls returns the table of an architecture, by its name in Go. ok is false where there is
// none, and so no filter.
func systemCalls(architecture string) (table calls, ok bool) {
	switch architecture {
	case "amd64":
		return calls{
			audit: 0xc000003e, foreign: 0x40000000, clone: 56, prctl: 157, ioctl: 16, fcntl: 72, msync: 26,
			socket: []uint32{41, 53}, socketOption: 54, // socket, socketpair; setsockopt
			kill: []uint32{62, 129, 200, 234, 297}, // kill, rt_sigqueueinfo, tkill, tgkill, rt_tgsigqueueinfo
			denied: []uint32{
				101, 310, 311, 312, // ptrace, process_vm_readv, process_vm_writev, kcmp
				155, 161, 165, 166, 272, 308, // pivot_root, chroot, mount, umount2, unshare, setns
				248, 249, 250, // add_key, request_key, keyctl
				298, 321, 323, // perf_event_open, bpf, userfaultfd
				303, 304, 300, 301, // name_to_handle_at, open_by_handle_at, fanotify_init, fanotify_mark
				175, 313, 176, 246, 320, 169, // init_module, finit_module, delete_module, kexec_load, kexec_file_load, reboot
				167, 168, 163, 179, 103, 153, // swapon, swapoff, acct, quotactl, syslog, vhangup
				170, 171, 164, 227, 159, 305, // sethostname, setdomainname, settimeofday, clock_settime, adjtimex, clock_adjtime
				172, 173, 154, 135, 134, 156, 174, 177, 178, 180, 212, // iopl, ioperm, modify_ldt, personality, and what is long gone
				256, 279, // migrate_pages, move_pages
				29, 64, 68, 240, 319, // shmget, semget, msgget, mq_open, memfd_create: memory that no limit of a process counts
				278, 317, // vmsplice, seccomp: the same
				253, 294, // inotify_init, inotify_init1: they tell what others open, and root has 128 of them in all
				206, // io_setup: there are 65536 in all for the whole machine
			},
			done: []uint32{74, 75, 162, 306, 277}, // fsync, fdatasync, sync, syncfs, sync_file_range
		}, true
	case "arm64":
		return calls{
			audit: 0xc00000b7, clone: 220, prctl: 167, ioctl: 29, fcntl: 25, msync: 227,
			socket: []uint32{198, 199}, socketOption: 208,
			kill: []uint32{129, 138, 130, 131, 240},
			denied: []uint32{
				117, 270, 271, 272,
				41, 51, 40, 39, 97, 268,
				217, 218, 219,
				241, 280, 282,
				264, 265, 262, 263,
				105, 273, 106, 104, 294, 142,
				224, 225, 89, 60, 116, 58,
				161, 162, 170, 112, 171, 266,
				92, 18, 42,
				238, 239,
				194, 190, 186, 180, 279,
				75, 277,
				26,
				0,
			},
			done: []uint32{82, 83, 81, 267, 84},
		}, true
	}
	return calls{}, false
}
