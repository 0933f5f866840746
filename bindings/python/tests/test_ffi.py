"""What is lent to the native library, and what becomes of what it gave when a call is cut short."""

from __future__ import annotations

import gc
import os
import signal
from typing import Any, Callable

import pytest

import pycape
from conftest import descriptors, handles
from pycape import Cape, LocalEnclave, _ffi
from test_verify import GOOD, verify


class Longer(bytes):
    """Bytes that claim to be more than they are."""

    def __len__(self) -> int:
        return 4096

    def __bytes__(self) -> bytes:
        return self


class LongerArray(bytearray):
    def __len__(self) -> int:
        return 4096

    def __bytes__(self) -> bytes:
        return Longer(memoryview(self))


def test_an_input_that_lies_about_its_length_is_sent_as_long_as_it_is(
    enclave: LocalEnclave,
) -> None:
    with Cape(enclave=enclave) as cape:
        cape.connect("local/echo")
        assert cape.invoke(Longer(b"four")) == b"four"
        assert cape.run("local/echo", Longer(b"four")) == b"four"


@pytest.mark.parametrize("kind", [Longer, LongerArray])
def test_a_document_that_lies_about_its_length_is_judged_as_long_as_it_is(kind: Any) -> None:
    assert verify(kind(GOOD))["verdict"] == "accepted"


class CutShort:
    """A library whose calls succeed, and are interrupted as they return."""

    def __init__(self, at: str) -> None:
        self.lib, self.at = _ffi._lib(), at
        self.closed: list[int] = []
        self.descriptors: list[int] = []
        self.freed = 0

    def returns(self, name: str) -> int:
        if name == self.at:
            raise KeyboardInterrupt
        return 0

    def cape_connect_start(self, text: Any, length: int, queue: int, handle: Any, err: Any) -> int:
        handle.value = 6
        return self.returns("start")

    def cape_invoke_start(
        self, conn: int, data: Any, length: int, timeout: int, queue: int, handle: Any, err: Any
    ) -> int:
        handle.value = 6
        return self.returns("start")

    def cape_op_wait(self, handle: Any, timeout: int, err: Any) -> int:
        return self.returns("wait")

    def cape_op_result(
        self, handle: Any, conn: Any, buffer: Any, capacity: int, length: Any, err: Any
    ) -> int:
        if conn is not None:
            conn.value = 7
        return self.returns("result")

    def cape_queue_open(self, handle: Any, descriptor: Any, err: Any) -> int:
        handle.value, descriptor.value = 9, os.dup(0)
        self.descriptors.append(descriptor.value)
        return self.returns("queue")

    def cape_verify(
        self, document: bytes, size: int, text: bytes, length: int, report: Any, err: Any
    ) -> int:
        report.len = 1
        raise KeyboardInterrupt

    def cape_enclave_start(self, text: bytes, length: int, handle: Any, err: Any) -> int:
        handle.value = 8
        raise KeyboardInterrupt

    def cape_enclave_info(self, handle: int, info: Any, err: Any) -> int:
        info.len = 1
        raise KeyboardInterrupt

    def cape_close(self, handle: int, err: Any) -> int:
        if handle > 9:  # what an earlier test left to the garbage collector
            return int(self.lib.cape_close(handle, err))
        self.closed.append(handle)
        return 0

    def cape_buf_free(self, buf: Any) -> int:
        self.freed += buf.len
        buf.len = 0
        return 0


def invoke() -> None:
    connection = _ffi.Connection(5)
    try:
        connection.invoke(b"x")
    finally:
        connection._finalizer.detach()


@pytest.mark.parametrize(
    "call, at, closed, freed",
    [
        (lambda: _ffi.connect({}), "start", [6], 0),
        (lambda: _ffi.connect({}), "wait", [6], 0),
        (lambda: _ffi.connect({}), "result", [7, 6], 0),
        (invoke, "start", [6], 0),
        (invoke, "wait", [6], 0),
        (invoke, "result", [6], 0),
        (_ffi.Queue, "queue", [9], 0),
        (lambda: _ffi.verify(b"x", {}), "", [], 1),
        (lambda: _ffi.start_enclave({}), "", [8], 0),
        (lambda: _ffi.Enclave(9).info(), "", [9], 1),
    ],
)
def test_an_interrupted_call_leaves_nothing_open(
    monkeypatch: pytest.MonkeyPatch,
    call: Callable[[], Any],
    at: str,
    closed: list[int],
    freed: int,
) -> None:
    library = CutShort(at)
    monkeypatch.setattr(_ffi, "_lib", lambda: library)
    try:
        call()
    except KeyboardInterrupt:
        pass
    else:
        pytest.fail("the interrupt was lost")
    assert (library.closed, library.freed) == (closed, freed)
    for descriptor in library.descriptors:
        with pytest.raises(OSError):
            os.fstat(descriptor)


class Interrupting:
    """The library, with an interrupt just after one of its functions."""

    def __init__(self, name: str) -> None:
        self.lib, self.name = _ffi._lib(), name

    def __getattr__(self, name: str) -> Any:
        function = getattr(self.lib, name)
        if name != self.name:
            return function

        def interrupted(*args: Any) -> int:
            status = function(*args)
            signal.raise_signal(signal.SIGINT)
            return int(status)

        return interrupted


STEPS = ["start", "cape_op_wait", "cape_op_result"]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("what", ["connect", "invoke"])
def test_a_real_interrupt_ends_a_call_and_closes_what_it_opened(
    monkeypatch: pytest.MonkeyPatch, enclave: LocalEnclave, what: str, step: str
) -> None:
    with Cape(enclave=enclave) as cape:
        cape.connect("local/echo")
        open_before = handles()
        name = f"cape_{what}_start" if step == "start" else step
        library = Interrupting(name)
        with monkeypatch.context() as patch:
            patch.setattr(_ffi, "_lib", lambda: library)
            with pytest.raises(KeyboardInterrupt):
                Cape(enclave=enclave).connect("local/echo") if what == "connect" else cape.invoke(b"x")
        assert handles() == open_before
        assert cape.invoke(b"goes on") == b"goes on"


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 1 << 20])
def test_a_result_is_bytes_of_its_own_size(enclave: LocalEnclave, size: int) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    with Cape(enclave=enclave) as cape:
        cape.connect("local/echo")
        results = [cape.invoke(data[:size]) for _ in range(2)]
    assert results == [data[:size]] * 2
    assert {type(result) for result in results} == {bytes}
    assert size < 2 or results[0] is not results[1]
    assert hash(results[0]) == hash(data[:size])


def test_a_result_that_finds_no_memory_is_an_error_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, enclave: LocalEnclave
) -> None:
    def refuse(source: Any, length: int) -> bytes:
        raise MemoryError

    with Cape(enclave=enclave) as cape:
        cape.connect("local/echo")
        before = handles()
        with monkeypatch.context() as patch:
            patch.setattr(_ffi, "_bytes", refuse)
            with pytest.raises(MemoryError) as caught:
                cape.invoke(bytes(5000))
        assert isinstance(caught.value, pycape.CapeMemoryError)
        assert (caught.value.reason, caught.value.code) == ("memory.output", -14)
        assert handles() == before
        assert cape.invoke(bytes(5000)) == bytes(5000)


def test_failed_calls_leave_no_cycles(enclave: LocalEnclave) -> None:
    """What they hold is let go with the error, and not when the collector comes by."""
    with Cape(enclave=enclave) as cape:
        cape.connect("local/mischief")
        gc.collect()
        gc.disable()
        try:
            for _ in range(10):
                with pytest.raises(pycape.FunctionError):
                    cape.invoke(b"raise")
            enclave.set_faults("expired_leaf")
            with pytest.raises(pycape.AttestationError):
                Cape(enclave=enclave).connect("local/echo")
            left = [each for each in gc.get_objects() if isinstance(each, _ffi.Operation)]
        finally:
            gc.enable()
    assert left == []
