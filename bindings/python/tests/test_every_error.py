"""Whatever a caller or a function gives, the error is a CapeError, of one line."""

from __future__ import annotations

import pathlib
from typing import Any, Callable

import pytest

import pycape
import serdio
from pycape import Cape, LocalEnclave
from test_verify import verify

NESTED = '{"a":' * 200_000


class Opaque:
    """Not for serdio, nor for JSON."""


def raised(call: Callable[[], Any], *builtins: type[BaseException]) -> pycape.CapeError:
    with pytest.raises(pycape.CapeError) as caught:
        call()
    assert isinstance(caught.value, builtins)
    assert str(caught.value) and "\n" not in str(caught.value)
    assert caught.value.reason
    return caught.value


def loop() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    "value, builtins",
    [
        (Opaque(), (TypeError,)),
        (2**70, (OverflowError,)),
        ("\ud800", (ValueError,)),
        (loop(), (ValueError,)),
    ],
    ids=["type", "overflow", "text", "depth"],
)
def test_what_serdio_cannot_encode(enclave: LocalEnclave, value: Any, builtins: Any) -> None:
    with Cape(enclave=enclave) as cape:
        cape.connect("local/echo")
        error = raised(lambda: cape.invoke(value, use_serdio=True), *builtins)
        assert (error.reason, error.code) == ("argument.serdio", -1)
        raised(lambda: cape.run("local/echo", value, use_serdio=True), *builtins)
        assert cape.invoke(1, use_serdio=True) == 1


@pytest.mark.parametrize("hooks", [5, (1, 2), (len,), {"encoder_hook": len}])
def test_hooks_that_are_none(enclave: LocalEnclave, hooks: Any) -> None:
    error = raised(
        lambda: Cape(enclave=enclave).run("local/echo", 1, serde_hooks=hooks), ValueError, TypeError
    )
    assert error.reason == "argument.type"


def fail(value: Any) -> Any:
    raise LookupError("first\nsecond")


def test_an_exception_of_a_callers_encoder_is_its_own(enclave: LocalEnclave) -> None:
    with pytest.raises(LookupError):
        Cape(enclave=enclave).run("local/echo", Opaque(), serde_hooks=(fail, lambda value: value))


def test_a_reply_that_is_no_serdio(enclave: LocalEnclave) -> None:
    with Cape(enclave=enclave) as cape:
        cape.connect("local/mischief")
        error = raised(lambda: cape.invoke("garbage", use_serdio=True), ValueError, RuntimeError)
        assert type(error) is pycape.SerdioError
        assert isinstance(error, pycape.ProtocolError)
        assert (error.reason, error.code) == ("serdio.envelope", -8)
        error = raised(lambda: cape.invoke({}, serde_hooks=(lambda value: None, fail)), ValueError)
        assert "LookupError" in str(error)
        assert cape.invoke(1, use_serdio=True) == 1


def test_serdio_itself_raises_the_builtin_ones() -> None:
    for call in (lambda: serdio.serialize(Opaque()), lambda: serdio.deserialize(b"\x01")):
        with pytest.raises((ValueError, TypeError)) as caught:
            call()
        assert not isinstance(caught.value, pycape.CapeError)


@pytest.mark.parametrize(
    "policy, builtin",
    [
        ({"pcrs": {"0": [b"00"]}}, TypeError),
        ({"max_age_ms": float("nan")}, ValueError),
        ({"pcrs": loop()}, ValueError),
        ({("a", "b"): 1}, TypeError),
        ({"pcrs": "\ud800"}, ValueError),
    ],
    ids=["bytes", "nan", "loop", "key", "text"],
)
def test_a_policy_that_is_no_json(enclave: LocalEnclave, policy: Any, builtin: Any) -> None:
    raised(lambda: Cape(enclave=enclave, policy=policy).connect("local/echo"), builtin)
    raised(lambda: verify(policy=policy), builtin)


def test_a_policy_nested_too_deeply(enclave: LocalEnclave, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "policy.json"
    path.write_text(NESTED)
    assert raised(lambda: Cape(enclave=enclave, policy=path), ValueError).reason == "argument.policy"
    value: Any = {}
    for _ in range(100_000):
        value = {"a": value}
    raised(lambda: Cape(enclave=enclave, policy=value).connect("local/echo"), ValueError)


def test_a_login_nested_too_deeply(clean_environment: pathlib.Path) -> None:
    path = clean_environment / ".config" / "cape" / "auth"
    path.parent.mkdir(parents=True)
    path.write_text(NESTED)
    assert raised(lambda: Cape("wss://enclave.example.com").connect("user/name"), RuntimeError).reason == "auth.token_missing"


def test_a_folder_may_be_named_in_bytes(functions: list[pathlib.Path]) -> None:
    with LocalEnclave(str(functions[0]).encode()) as enclave:
        assert [function["name"] for function in enclave.functions] == ["local/echo"]


@pytest.mark.parametrize(
    "make",
    [
        lambda: LocalEnclave(5),  # type: ignore[arg-type]
        lambda: LocalEnclave(python=5),  # type: ignore[arg-type]
        lambda: LocalEnclave(log=5),  # type: ignore[arg-type]
        lambda: LocalEnclave(faults=5),  # type: ignore[arg-type]
        lambda: LocalEnclave(faults=[b"no_reply"]).url,  # type: ignore[list-item]
    ],
)
def test_arguments_of_a_local_enclave_of_another_type(make: Callable[[], Any]) -> None:
    raised(make, TypeError)


def test_faults_of_another_type(enclave: LocalEnclave) -> None:
    raised(lambda: enclave.set_faults(b"no_reply"), TypeError)  # type: ignore[arg-type]
