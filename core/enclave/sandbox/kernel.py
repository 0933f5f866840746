"""Puts a process that will run somebody else's code into a sandbox, then runs the worker in it.

The enclave starts an interpreter with this program in namespaces of its own, as far as the kernel
grants them. This process makes a private root, then a child that gives up all it could do and becomes
the worker; it keeps watch over the child itself, and ends everything with itself. Nothing of the
function has been seen before all that.

The arguments are the worker's source and then name=value. Over CONTROL the enclave is told which
layers are not to be had ("missing ..."), that the worker is there ("ready") and how it ended
("ended <wait status>", "limit <which>"); each byte from the enclave says that another call begins.
No layer depends on another: what is not granted is left out.
"""
import os
import sys

LOADED = set(sys.modules)  # what every interpreter has; the rest must not be in a function's way

import _signal  # type: ignore[import-not-found]
import ctypes
import resource
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

CHANNEL, CONTROL = 3, 4

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND = 1, 2, 4, 8, 0x20, 0x1000
MS_REC, MS_PRIVATE, TIME_FLAGS, MNT_DETACH = 0x4000, 0x40000, 0x1C00, 2
SYS_MOUNT_SETATTR, AT_RECURSIVE, AT_FDCWD = 442, 0x8000, -100
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_CAPBSET_DROP = 1, 4, 22, 24
PR_SET_SECUREBITS, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 28, 36, 38
NO_ROOT_LOCKED = 0xE3  # a user 0 has no capabilities, and none can be kept or raised
CAPABILITY_VERSION = 0x20080522
SYS_LANDLOCK_CREATE, SYS_LANDLOCK_ADD, SYS_LANDLOCK_RESTRICT = 444, 445, 446
LAND_READ, LAND_FILE, LAND_ALL_1 = 0b1101, 0b1100000000000111, 0b1111111111111
LAND_DEVICES = 1 << 6 | 1 << 11

SYSTEM = (
    "/usr/bin", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/local/bin", "/usr/local/lib", "/usr/local/lib64",
    "/usr/share/zoneinfo", "/bin", "/lib", "/lib32", "/lib64", "/nix/store", "/gnu/store",
    "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/localtime", "/etc/alternatives",
)
TOO_WIDE = ("/", "/usr", "/usr/local")
SIGNALS = (_signal.SIGCHLD, _signal.SIGTERM)
SHORTEST_PAUSE, LONGEST_PAUSE = 0.02, 0.25  # seconds between looks at what a function uses
GROWTH = 1 << 30  # bytes a second with which one processor fills memory, more or less
DEFAULT_BUFFER = 212992  # bytes that wait in a socket at most: net.core.wmem_default, as most have it
DATAGRAMS = 11  # messages that wait in a datagram socket at most: net.unix.max_dgram_qlen, and one
LOCK = 16 << 10  # bytes that a lock of a part of a file counts for; more than it is, as the list of many takes long
SLACK = 64 << 20  # bytes of memory over the limit, which a process meets by itself before
DEVICES = ("null", "zero", "full", "random", "urandom")


class Refused(Exception):
    """The kernel does not grant something."""


class Kernel:
    """Calls that Python has no function for."""

    def __init__(self, host: str) -> None:
        """host names the mount namespace of the enclave, which no call may change."""
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.libc.syscall.restype = ctypes.c_long
        try:
            here = os.readlink("/proc/self/ns/mnt")
        except OSError:
            here = ""
        self.apart = host != "" and here != "" and here != host

    def must_be_apart(self) -> None:
        """Anything else would change the mounts, and the root, of the whole machine."""
        if not self.apart:
            raise Refused("there is no mount namespace for it alone")

    def check(self, result: int, what: str) -> int:
        if result < 0:
            raise Refused("%s: %s" % (what, os.strerror(ctypes.get_errno())))
        return result

    def call(self, what: str, number: int, *arguments: object) -> int:
        return self.check(self.libc.syscall(ctypes.c_long(number), *arguments), what)

    def prctl(self, what: str, option: int, *arguments: object) -> int:
        rest = (arguments + (ctypes.c_ulong(0),) * 4)[:4]
        return self.check(self.libc.prctl(option, *rest), what)

    def mount(self, source: str, target: str, kind: str, flags: int, options: str = "") -> None:
        self.must_be_apart()
        result = self.libc.mount(
            os.fsencode(source), os.fsencode(target), kind.encode() or None,
            ctypes.c_ulong(flags), options.encode() or None,
        )
        self.check(result, "mount on " + target)

    def protect(self, target: str, flags: int = MS_NODEV) -> None:
        """Makes a mount, and those below it, read-only. Devices can still be written."""
        self.must_be_apart()
        flags |= MS_RDONLY | MS_NOSUID
        attributes = (ctypes.c_uint64 * 4)(flags, 0, 0, 0)
        try:
            self.call(
                "protect", SYS_MOUNT_SETATTR, ctypes.c_int(AT_FDCWD), os.fsencode(target),
                ctypes.c_uint(AT_RECURSIVE), ctypes.byref(attributes), ctypes.c_size_t(32),
            )
        except Refused:  # before Linux 5.12: one mount at a time, with the flags it had
            kept = os.statvfs(target).f_flag & (MS_NOEXEC | TIME_FLAGS)
            self.mount("none", target, "", MS_REMOUNT | MS_BIND | flags | kept)

    def unmount(self, target: str) -> None:
        self.must_be_apart()
        self.check(self.libc.umount2(os.fsencode(target), MNT_DETACH), "umount2")

    def change_root(self) -> None:
        """Makes the working directory, a mount, the root, and takes the old root off."""
        self.must_be_apart()
        self.check(self.libc.pivot_root(b".", b"."), "pivot_root")
        self.check(self.libc.umount2(b".", MNT_DETACH), "umount2")

    def bind(self, source: str, target: str) -> None:
        if os.path.isdir(source):
            os.makedirs(target, exist_ok=True)
        else:
            os.makedirs(os.path.dirname(target), exist_ok=True)
            os.close(os.open(target, os.O_WRONLY | os.O_CREAT, 0o600))
        self.mount(source, target, "", MS_BIND | MS_REC)
