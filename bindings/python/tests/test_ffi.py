"""What is lent to the native library, and what becomes of what it gave when a call is cut short."""

from __future__ import annotations

import signal
from typing import Any, Callable

import pytest

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

    def __init__(self) -> None:
        self.closed: list[int] = []
        self.freed = 0

    def cape_connect(self, text: bytes, length: int, handle: Any, report: Any, err: Any) -> int:
        handle.value = 7
        report.len = 1
        raise KeyboardInterrupt

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
        self.closed.append(handle)
        return 0

    def cape_buf_free(self, buf: Any) -> int:
        self.freed += buf.len
        buf.len = 0
        return 0


@pytest.mark.parametrize(
    "call, closed, freed",
    [
        (lambda: _ffi.connect({}), [7], 1),
        (lambda: _ffi.verify(b"x", {}), [], 1),
        (lambda: _ffi.start_enclave({}), [8], 0),
        (lambda: _ffi.Enclave(9).info(), [9], 1),
    ],
    ids=["connect", "verify", "start", "info"],
)
def test_an_interrupted_call_leaves_nothing_open(
    monkeypatch: pytest.MonkeyPatch, call: Callable[[], Any], closed: list[int], freed: int
) -> None:
    library = CutShort()
    monkeypatch.setattr(_ffi, "_lib", lambda: library)
    try:
        call()
    except KeyboardInterrupt:
        pass
    else:
        pytest.fail("the interrupt was lost")
    assert (library.closed, library.freed) == (closed, freed)


def test_a_real_interrupt_ends_a_connect_and_closes_what_it_opened(
    monkeypatch: pytest.MonkeyPatch, enclave: LocalEnclave
) -> None:
    lib, closed = _ffi._lib(), []

    class Interrupting:
        def __getattr__(self, name: str) -> Any:
            return getattr(lib, name)

        def cape_connect(self, *args: Any) -> int:
            lib.cape_connect(*args)
            signal.raise_signal(signal.SIGINT)
            return 0

        def cape_close(self, handle: int, err: Any) -> int:
            closed.append(handle)
            return int(lib.cape_close(handle, err))

    enclave.url
    monkeypatch.setattr(_ffi, "_lib", lambda: interrupting)
    interrupting = Interrupting()
    with pytest.raises(KeyboardInterrupt):
        Cape(enclave=enclave).connect("local/echo")
    assert len(closed) == 1
