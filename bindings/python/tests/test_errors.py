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
