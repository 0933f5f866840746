"""Does to its process and to the enclave whatever its input names."""

import ctypes
import os
import signal
import subprocess
import sys
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
