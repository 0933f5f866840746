"""The classes of errors."""

from __future__ import annotations

import pickle
import re

import pytest

import pycape
from conftest import ROOT
from pycape import errors

BUILTINS = {
    "ArgumentError": ValueError,
    "ArgumentOverflowError": OverflowError,
    "ArgumentTypeError": TypeError,
    "AttestationError": RuntimeError,
    "AuthError": RuntimeError,
    "CancelledError": RuntimeError,
    "CapeMemoryError": MemoryError,
    "CapeTimeoutError": TimeoutError,
    "ClosedError": RuntimeError,
    "ConnectError": RuntimeError,
    "ForkedError": RuntimeError,
    "FunctionError": RuntimeError,
    "InternalError": RuntimeError,
    "LibraryError": RuntimeError,
    "LimitError": ValueError,
    "PolicyError": RuntimeError,
    "ProtocolError": RuntimeError,
    "SerdioError": ValueError,
    "TLSError": RuntimeError,
}


def codes() -> dict[str, int]:
    header = (ROOT / "include" / "cape.h").read_text()
    found = re.findall(r"^#define CAPE_E_(\w+) \((-\d+)\)", header, re.M)
    return {name: int(code) for name, code in found}


def test_every_error_is_a_cape_error_and_a_builtin() -> None:
    exported = {
        name
        for name in pycape.__all__
        if isinstance(getattr(pycape, name), type)
        and issubclass(getattr(pycape, name), pycape.CapeError)
    }
    assert exported == set(BUILTINS) | {"CapeError"}
    for name, builtin in BUILTINS.items():
        assert issubclass(getattr(pycape, name), (builtin,))
    assert issubclass(pycape.CapeTimeoutError, RuntimeError)


def test_every_code_of_the_header_has_a_class() -> None:
    assert set(errors._BY_CODE) == set(codes().values())
    for name, code in codes().items():
        error = errors.error_for(code, "some.reason", "some text")
        if name == "FORKED":
            assert "spawn" in error.message and "forkserver" in error.message
            continue
        assert (error.code, error.reason, error.message) == (code, "some.reason", "some text")
        assert str(error) == "some text (some.reason)"
        assert error.report is None
        if name != "HANDLE":
            expected = {"MEMORY": "CapeMemory", "TIMEOUT": "CapeTimeout", "PANIC": "Internal"}
            named = expected.get(name, name if name == "TLS" else name.capitalize())
            assert type(error).__name__ == named + "Error"
            assert type(error).code == code


def test_a_code_of_a_later_library_is_an_error_too() -> None:
    error = errors.error_for(-99, "new.reason", "text")
    assert isinstance(error, pycape.InternalError)
    assert error.code == -99


def test_the_text_of_an_error_ends_with_its_reason_but_for_that_of_a_function() -> None:
    assert str(pycape.CapeError("some text")) == "some text"
    assert str(pycape.CapeError()) == ""
    for name in BUILTINS:
        error = getattr(pycape, name)("some text", reason="a.reason")
        assert (str(error), error.message, error.args) == ("some text (a.reason)", "some text", ("some text",))
    assert str(pycape.FunctionError("KeyError: 'x'", reason="function.error")) == "KeyError: 'x'"
    assert str(pycape.FunctionError("text", reason="function.refused")) == "text (function.refused)"


@pytest.mark.parametrize("name", sorted(BUILTINS))
def test_errors_survive_pickling(name: str) -> None:
    error = getattr(pycape, name)("some text", reason="some.reason", report={"verdict": "refused"})
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is type(error)
    assert (str(back), back.message, back.reason, back.code, back.report) == (
        "some text (some.reason)",
        "some text",
        "some.reason",
        error.code,
        {"verdict": "refused"},
    )


class Own(pycape.CapeError):
    """As a program may have it."""

    def __init__(self, text: str, part: int = 0) -> None:
        super().__init__(text, reason="own.reason")
        self.message = f"{text} of part {part}"


class Bare(pycape.FunctionError):
    """One that knows nothing of how it is made."""

    def __init__(self, number: int) -> None:
        self.number = number


def test_the_message_of_a_programs_own_error_can_be_set() -> None:
    error = Own("some text", 7)
    for one in (error, pickle.loads(pickle.dumps(error))):
        assert (one.message, str(one)) == ("some text of part 7", "some text of part 7 (own.reason)")
        assert one.args == ("some text",)
    plain = pycape.ClosedError("some text", reason="a.reason")
    plain.message = "other"
    assert (str(plain), plain.args) == ("other (a.reason)", ("some text",))


def test_an_error_that_never_called_its_base_class_can_be_shown() -> None:
    assert (Bare(7).message, str(Bare(7))) == ("7", "7")
    assert (Bare(7).reason, Bare(7).report) == ("", None)


def test_what_a_programs_own_error_keeps_is_not_its_text() -> None:
    class Own(pycape.CapeError):
        def __init__(self, text: str, payload: bytes) -> None:
            super().__init__(text)
            self._message = payload

    assert str(Own("disk full", b"customer data")) == "disk full"
