"""Measures the library from Python.

The first line of input is a JSON object: the options to connect with, and the path of the library.
Each further line is "run <operation> <size> <in flight> <count>", and is answered by a line of
JSON with the nanoseconds that count calls took in all, by the clock and of this process's CPU; for
"process" also with the bytes of memory that it took.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import ctypes
import json
import subprocess
import sys
import time
from typing import Callable, TypeVar

import pycape
import pycape.aio

target = json.loads(sys.stdin.readline())
options = target["options"]


C = TypeVar("C", pycape.Cape, pycape.aio.Cape)


def client(kind: type[C]) -> C:
    return kind(
        options["url"],
        access_token="",
        attestation_root=options["attestation_roots"],
        tls_ca=options["tls_ca"],
        policy=options["policy"],
    )


def payload(size: int) -> bytes:
    return bytes((i * 31 + (i >> 8)) & 255 for i in range(size))


payloads: dict[int, bytes] = {}
cape = client(pycape.Cape)
cape.connect(options["function"])
loop = asyncio.new_event_loop()
cape_of_loop = client(pycape.aio.Cape)
loop.run_until_complete(cape_of_loop.connect(options["function"]))
pool = concurrent.futures.ThreadPoolExecutor(64)

# Not through pycape, whose table is private: the same types, so the same conversions.
library = ctypes.CDLL(target["library"])
library.cape_version.argtypes = [ctypes.POINTER(ctypes.c_uint32)] * 3 + [ctypes.c_void_p]
library.cape_version.restype = ctypes.c_int32
library.cape_close.argtypes = [ctypes.c_uint64, ctypes.c_void_p]
library.cape_close.restype = ctypes.c_int32
libc = ctypes.CDLL(None)
libc.labs.argtypes = [ctypes.c_long]
libc.labs.restype = ctypes.c_long


def connect(size: int, count: int) -> int:
    """Connecting is measured, closing is not."""
    elapsed = 0
    another = client(pycape.Cape)
    for _ in range(count):
        start = time.perf_counter_ns()
        another.connect(options["function"])
        elapsed += time.perf_counter_ns() - start
        another.close()
    return elapsed


def invoke(size: int, count: int) -> int:
    data, reply = payloads[size], b""
    start = time.perf_counter_ns()
    for _ in range(count):
        reply = cape.invoke(data)
    elapsed = time.perf_counter_ns() - start
    if reply != data:
        raise ValueError("the echo is not one")
    return elapsed


def threads(size: int, in_flight: int, count: int) -> int:
    """Each call in flight has a thread of its own, which waits."""
    data = payloads[size]
    turns = iter(range(count))  # next() is atomic

    def calls() -> None:
        for _ in turns:
            if len(cape.invoke(data)) != size:
                raise ValueError("the echo is not one")

    start = time.perf_counter_ns()
    for future in [pool.submit(calls) for _ in range(in_flight)]:
        future.result()
    return time.perf_counter_ns() - start


async def tasks(size: int, in_flight: int, count: int) -> int:
    """Each call in flight has a task of its own, all in one thread."""
    data = payloads[size]
    turns = iter(range(count))

    async def calls() -> None:
        for _ in turns:
            if len(await cape_of_loop.invoke(data)) != size:
                raise ValueError("the echo is not one")

    start = time.perf_counter_ns()
    await asyncio.gather(*(calls() for _ in range(in_flight)))
    return time.perf_counter_ns() - start


def call(size: int, count: int) -> int:
    """A call that stays in the C half of the library."""
    version = library.cape_version
    start = time.perf_counter_ns()
    for _ in range(count):
        version(None, None, None, None)
    return time.perf_counter_ns() - start


def enter(size: int, count: int) -> int:
    """A call that enters Go, which finds that the handle is not open."""
    close = library.cape_close
    start = time.perf_counter_ns()
    for _ in range(count):
        close(1, None)
    return time.perf_counter_ns() - start


def libc_call(size: int, count: int) -> int:
    labs = libc.labs
    start = time.perf_counter_ns()
    for _ in range(count):
        labs(1)
    return time.perf_counter_ns() - start


def child(program: str) -> list[int]:
    """The numbers that a process of its own prints."""
    done = subprocess.run(
        [sys.executable, "-c", program], input=json.dumps(options), capture_output=True, text=True, check=True
    )
    return [int(number) for number in done.stdout.split()]


def importing(size: int, count: int) -> int:
    program = "import time; t = time.perf_counter_ns(); import pycape; print(time.perf_counter_ns() - t)"
    return sum(child(program)[0] for _ in range(count))


ECHO = """
import json, sys, time
start = time.perf_counter_ns()
import pycape
o = json.load(sys.stdin)
cape = pycape.Cape(o["url"], access_token="", attestation_root=o["attestation_roots"], tls_ca=o["tls_ca"], policy=o["policy"])
data = bytes({size})
reply = cape.run(o["function"], data)
assert reply == data
elapsed = time.perf_counter_ns() - start
print(elapsed, *(int(line.split()[1]) << 10 for line in open("/proc/self/status") if line.startswith("VmRSS")))
"""
resident = 0  # bytes of the latest such process, with input and output in them


def process(size: int, count: int) -> int:
    """All that a process does that echoes once: it imports, connects and calls."""
    global resident
    elapsed = 0
    for _ in range(count):
        took, resident = child(ECHO.replace("{size}", str(size)))
        elapsed += took
    return elapsed


OPERATIONS: dict[str, Callable[[int, int], int]] = {
    "connect": connect,
    "invoke": invoke,
    "call": call,
    "enter": enter,
    "libc": libc_call,
    "import": importing,
    "process": process,
}


def run(operation: str, size: int, in_flight: int, count: int) -> int:
    if size not in payloads:
        payloads[size] = payload(size)
    if operation == "asyncio":
        return loop.run_until_complete(tasks(size, in_flight, count))
    if operation == "invoke" and in_flight > 1:
        return threads(size, in_flight, count)
    return OPERATIONS[operation](size, count)


def measure(operation: str, size: int, in_flight: int, count: int) -> dict[str, int]:
    """A few calls that do not count come first: this process has just been idle."""
    if count >= 10:
        run(operation, size, in_flight, count // 10)
    before = time.process_time_ns()
    elapsed = run(operation, size, in_flight, count)
    memory = {"resident": resident} if operation == "process" else {}
    return {"ns": elapsed, "cpu_ns": time.process_time_ns() - before, **memory}


for line in iter(sys.stdin.readline, ""):
    _, operation, *numbers = line.split()
    try:
        answer: dict[str, int] | dict[str, str] = measure(operation, *map(int, numbers))
    except Exception as error:
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
cape.close()
loop.run_until_complete(cape_of_loop.close())
loop.close()
