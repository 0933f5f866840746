"""Does to its process and to the enclave whatever its input names."""

import ctypes
import fcntl
import mmap
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time


def cape_handler(data: bytes) -> bytes:
    name, _, argument = data.decode().partition(" ")
    return globals()["do_" + name](argument) or b"ok"


def do_raise(argument: str) -> None:
    raise ValueError(argument)


def do_exit(argument: str) -> None:
    sys.exit(int(argument) if argument else None)


def do_abrupt_exit(argument: str) -> None:
    os._exit(int(argument))


def do_kill(argument: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def do_segfault(argument: str) -> None:
    ctypes.string_at(0)


def do_print(argument: str) -> None:
    for _ in range(int(argument)):
        os.write(1, b"x" * 999 + b"\n")


def do_unbroken_line(argument: str) -> None:
    for _ in range(int(argument)):
        os.write(2, b"x" * 1000)


def do_close(argument: str) -> None:
    os.close(int(argument))


def do_close_and_wait(argument: str) -> None:
    os.close(int(argument))
    time.sleep(1000)


def do_write(argument: str) -> None:
    """Writes bytes, given in hex, to the enclave's descriptor, and waits for what it does."""
    os.write(3, bytes.fromhex(argument))
    time.sleep(1000)


def do_answer_and_sleep(argument: str) -> None:
    """Answers in the enclave's place, and never again."""
    os.write(3, b"\0" + (5).to_bytes(8, "big") + b"a lie")
    time.sleep(1000)


def do_sleep(argument: str) -> None:
    time.sleep(float(argument))


def do_result(argument: str) -> bytes:
    return bytes(int(argument))


def do_fork_and_exit(argument: str) -> None:
    """Leaves a child behind that holds everything open."""
    if os.fork() == 0:
        time.sleep(1000)
    os._exit(int(argument))


def do_fork_and_return(argument: str) -> bytes:
    os.fork()
    return b"once"


def do_child(argument: str) -> bytes:
    """Starts a child, in a session of its own if asked to. Returns a word of its command line, by
    which it can be found from outside, and its process id."""
    mark = "1000.%d" % time.time_ns()
    command = [sys.executable, "-c", "import time; time.sleep(%s)" % mark]
    child = subprocess.Popen(command, start_new_session=argument == "escaped")
    return b"%s %d" % (mark.encode(), child.pid)


def do_lock_away(argument: str) -> None:
    """Makes a folder that cannot be removed as it is."""
    os.makedirs("locked/inner")
    os.chmod("locked", 0)


def do_forever(argument: str) -> None:
    while True:
        pass


# What it tries to reach.


def do_connect(argument: str) -> None:
    host, _, port = argument.rpartition(":")
    socket.create_connection((host, int(port)), timeout=10)


def do_listen(argument: str) -> None:
    socket.create_server(("127.0.0.1", 0))


def do_resolve(argument: str) -> None:
    socket.getaddrinfo(argument, 80)


def do_abstract(argument: str) -> None:
    """Connects to a Unix socket without a file."""
    socket.socket(socket.AF_UNIX).connect("\0" + argument)


def do_read(argument: str) -> bytes:
    with open(argument, "rb") as file:
        return file.read(100) or b"empty"


def do_write_file(argument: str) -> None:
    with open(argument, "wb") as file:
        file.write(b"hostile")


def do_touch(argument: str) -> None:
    os.utime(argument)


def do_list(argument: str) -> bytes:
    return " ".join(sorted(os.listdir(argument))).encode()


def do_find(argument: str) -> bytes:
    """Returns where in the file system a name can be found."""
    found = [os.path.join(at, argument) for at, folders, files in os.walk("/") if argument in folders + files]
    return "\n".join(found).encode() or b"nowhere"


def do_kill_process(argument: str) -> None:
    os.kill(int(argument), signal.SIGKILL)


def do_kill_parent(argument: str) -> None:
    os.kill(os.getppid(), signal.SIGKILL)


def do_kill_all(argument: str) -> None:
    os.kill(-1, signal.SIGKILL)


def do_parent_memory(argument: str) -> bytes:
    with open("/proc/%d/environ" % os.getppid(), "rb") as file:
        return file.read(10)


def do_call(argument: str) -> bytes:
    """Makes a system call, as glibc does it: a name and numbers."""
    name, *values = argument.split()
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*[ctypes.c_long(int(value, 0)) for value in values]) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return b"granted"


NUMBERS = {
    "x86_64": {
        "socketpair": 53, "clone": 56, "ptrace": 101, "keyctl": 250, "add_key": 248, "process_vm_readv": 310, "bpf": 321,
        "perf_event_open": 298, "userfaultfd": 323, "open_by_handle_at": 304, "kexec_load": 246, "init_module": 175,
        "setns": 308, "io_setup": 206, "seccomp": 317, "swapon": 167, "fanotify_init": 300, "kcmp": 312, "personality": 135, "syslog": 103,
    },
    "aarch64": {
        "socketpair": 199, "clone": 220, "ptrace": 117, "keyctl": 219, "add_key": 217, "process_vm_readv": 270, "bpf": 280,
        "perf_event_open": 241, "userfaultfd": 282, "open_by_handle_at": 265, "kexec_load": 104, "init_module": 105,
        "setns": 268, "io_setup": 0, "seccomp": 277, "swapon": 224, "fanotify_init": 262, "kcmp": 272, "personality": 92, "syslog": 116,
    },
}


def do_syscall(argument: str) -> bytes:
    """Makes a system call by its number, or by a name that is known here."""
    name, *values = argument.split()
    number = int(name) if name.isdigit() else NUMBERS[os.uname().machine][name]
    return do_call(" ".join(["syscall", str(number), *values]))


def do_int80(argument: str) -> bytes:
    """Makes a system call of 32-bit programs: getpid."""
    code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(b"\xb8\x14\0\0\0\xcd\x80\xc3")
    address = ctypes.addressof(ctypes.c_char.from_buffer(code))
    return b"granted %d" % ctypes.CFUNCTYPE(ctypes.c_int)(address)()


def do_socket(argument: str) -> None:
    family, kind = argument.split()
    socket.socket(int(family), int(kind))


def do_signal_first(argument: str) -> None:
    """Signals the sandbox's first process by way of a descriptor."""
    signal.pidfd_send_signal(os.pidfd_open(os.getppid()), signal.SIGTERM)


def do_limits(argument: str) -> bytes:
    limits = [resource.RLIMIT_CORE, resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC, resource.RLIMIT_FSIZE, resource.RLIMIT_MEMLOCK]
    limits += [resource.RLIMIT_NICE, resource.RLIMIT_RTPRIO]
    return " ".join("%d" % resource.getrlimit(limit)[1] for limit in limits).encode()


def do_identity(argument: str) -> bytes:
    with open("/proc/self/status") as file:
        lines = dict(line.split(":", 1) for line in file)
    return " ".join(lines[name].strip() for name in ("CapEff", "CapBnd", "NoNewPrivs", "Seccomp")).encode()


# What it tries to use up.


def do_fork(argument: str) -> None:
    """Forks until it cannot."""
    while True:
        if os.fork() == 0:
            time.sleep(1000)


def do_fork_bomb(argument: str) -> None:
    while True:
        try:
            os.fork()
        except OSError:
            pass


def do_threads(argument: str) -> None:
    while True:
        threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()


def do_memory(argument: str) -> None:
    kept = []
    while True:
        kept.append(bytearray(16 << 20))


def do_memory_of_many(argument: str) -> None:
    for _ in range(16):
        if os.fork() == 0:
            kept = [b"x" * (64 << 20)]
            time.sleep(1000)
    time.sleep(1000)


def do_shared_memory(argument: str) -> None:
    kept = []
    while True:
        kept.append(mmap.mmap(-1, 64 << 20))
        kept[-1].write(b"x" * (64 << 20))


def do_memory_in_bursts(argument: str) -> None:
    """Sleeps between bursts, so that who looks now and then sees an idle process."""
    time.sleep(1.1)
    do_memory_of_many(argument)


def do_hidden_memory(argument: str) -> None:
    """As many processes as there may be, which do not let others look at them."""
    ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE
    do_memory_of_many(argument)


def do_sockets(argument: str) -> None:
    """Has the kernel keep data in connections that nobody accepts."""
    kept = []
    for number in range(50):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind("\0hostile%d" % number)
        listener.listen(1 << 12)
        kept.append(listener)
        for _ in range(1 << 12):
            client = socket.socket(socket.AF_UNIX)
            client.setblocking(False)
            try:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 30)
                client.connect("\0hostile%d" % number)
                while True:
                    client.send(bytes(1 << 16))
            except BlockingIOError:
                client.close()


def do_disk(argument: str) -> None:
    with open("fill", "wb") as file:
        while True:
            file.write(bytes(16 << 20))


def do_many_files(argument: str) -> None:
    for number in range(10**9):
        with open("file%d" % number, "wb"):
            pass


def do_locks(argument: str) -> None:
    """Has the kernel keep locks of single bytes, of many files."""
    files = [os.open("locked%d" % number, os.O_RDWR | os.O_CREAT) for number in range(40)]
    for place in range(10**9):
        for file in files:
            fcntl.lockf(file, fcntl.LOCK_EX, 1, 2 * place)


def do_large_file(argument: str) -> None:
    """A file with nothing in it, of more bytes than there may be."""
    with open("large", "wb") as file:
        os.ftruncate(file.fileno(), 1 << 40)


def do_descriptors(argument: str) -> None:
    kept = []
    while True:
        kept.append(open("/dev/null", "rb"))


def do_burn_behind(argument: str) -> None:
    """Leaves a child behind that takes all the processor time it can get."""
    if os.fork() == 0:
        do_forever(argument)


def do_burn(argument: str) -> None:
    """Takes so many seconds of processor time."""
    until = time.process_time() + float(argument)
    while time.process_time() < until:
        pass


def do_close_everything(argument: str) -> None:
    os.closerange(0, 1 << 10)
    time.sleep(1000)


def do_timers(argument: str) -> None:
    while True:
        do_timer(argument)


def do_timer(argument: str) -> None:
    libc, timer = ctypes.CDLL(None, use_errno=True), ctypes.c_int()
    if libc.timer_create(1, None, ctypes.byref(timer)) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def do_daemon(argument: str) -> bytes:
    """Starts a process that has nothing to do with this one any more; it counts in a file."""
    program = "import os, sys, time\nif os.fork(): os._exit(0)\nos.setsid()\nif os.fork(): os._exit(0)\ntime.sleep(%s)"
    mark = "1000.%d" % time.time_ns()
    subprocess.run([sys.executable, "-c", program % mark], start_new_session=True, check=True)
    return mark.encode()
