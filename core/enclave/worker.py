"""Serves one function: requests come, and replies go, over descriptor 3.

First comes the function itself: for each file the length of its path in 4 bytes, its path, its
length in 8 bytes and its content; then a length of 0. A request is its length in 8 bytes,
big-endian, then the input. A reply is a status byte (0 the output, 1 the text of an error), a length
in 8 bytes, then as many bytes. The arguments are how long an output may be and the folder that holds
app.py. The interpreter is started in another folder, an empty one, because it may import modules of
its own from where it starts; and what is imported here is what every interpreter has loaded anyway.
So a function may have modules of any name.
"""
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from io import BufferedReader

CHANNEL = 3
OUTPUT, ERROR = 0, 1
LAZY = 0x20 | 0x80 | 0x200  # the flags of generators, coroutines, and of both; see the module inspect
TEXT_LIMIT = 4000


def describe(error: BaseException) -> str:
    """The text of an exception for the caller: its type and its message."""
    kind = type(error).__name__
    try:
        if isinstance(error, SystemExit):
            message = str(0 if error.code is None else error.code)
        else:
            message = str(error)
    except BaseException:
        message = "(its message cannot be shown)"
    text = kind + ": " + message if message else kind
    return text[:TEXT_LIMIT]


def report(error: BaseException) -> None:
    """Writes a traceback, without the frame of this file, to the enclave's log."""
    try:
        traceback = error.__traceback__
        if traceback is not None:
            traceback = traceback.tb_next
        sys.__excepthook__(type(error), error, traceback)
    except BaseException:
        pass


def load() -> "Callable[[bytes], object] | str":
    """Returns the handler, or the text of what is wrong with app.py."""
    try:
        app = __import__("app")
    except BaseException as error:
        report(error)
        return "app.py cannot be imported: " + describe(error)
    handler = getattr(app, "cape_handler", None)
    if handler is None:
        return "app.py has no cape_handler: define cape_handler(input)"
    if not callable(handler):
        return "cape_handler of app.py cannot be called: make it a function"
    if getattr(getattr(handler, "__code__", None), "co_flags", 0) & LAZY:
        return "cape_handler of app.py is a coroutine or a generator: define it with def, and return the result"
    return handler  # type: ignore[no-any-return]


def as_bytes(result: object) -> bytes:
    if result is None:
        return b""
    if isinstance(result, (bytes, bytearray, memoryview)):
        return bytes(result)
    if not isinstance(result, str):
        result = str(result)
    return result.encode("utf-8")


def call(handler: "Callable[[bytes], object]", data: bytes, limit: int) -> "tuple[int, bytes]":
    """Runs the handler; returns a status and the bytes of the reply."""
    try:
        output = as_bytes(handler(data))
    except BaseException as error:
        report(error)
        return ERROR, describe(error).encode("utf-8", "replace")
    if len(output) > limit:
        text = "the result has %d bytes: this enclave takes at most %d"
        return ERROR, (text % (len(output), limit)).encode()
    return OUTPUT, output


def send(data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(CHANNEL, rest):]


def receive(requests: "BufferedReader", folder: str) -> None:
    """Writes the function's files into its folder."""
    while True:
        length = int.from_bytes(requests.read(4), "big")
        if length == 0:
            return
        path = os.path.join(folder, os.fsdecode(requests.read(length)))
        left = int.from_bytes(requests.read(8), "big")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "xb") as file:
            while left > 0:
                data = requests.read(min(left, 1 << 20))
                if not data:
                    os._exit(0)  # the enclave ended
                file.write(data)
                left -= len(data)


def serve() -> None:
    limit = int(sys.argv[1])
    folder = sys.argv[2]
    os.chdir(folder)
    os.set_inheritable(CHANNEL, False)
    if sys.path[0] == "":
        sys.path.pop(0)  # where the interpreter was started
    sys.path.insert(0, folder)
    sys.argv = [os.path.join(folder, "app.py")]
    process = os.getpid()
    requests = open(CHANNEL, "rb", closefd=False)
    receive(requests, folder)
    handler = load()
    while True:
        size = requests.read(8)
        if len(size) < 8:
            return
        length = int.from_bytes(size, "big")
        data = requests.read(length)
        if len(data) < length:
            return
        if isinstance(handler, str):
            status, reply = ERROR, handler.encode("utf-8", "replace")
        else:
            status, reply = call(handler, data, limit)
        del data
        if os.getpid() != process:
            return  # a copy that the function forked and forgot to end
        send(bytes([status]) + len(reply).to_bytes(8, "big"))
        send(reply)


try:
    serve()
except BaseException as error:
    report(error)
    os._exit(70)
os._exit(0)
