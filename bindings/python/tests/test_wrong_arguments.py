"""What is given and cannot be used: an error of this package that is the builtin one, at once, on
one line that is not too long, and that gives no secret away."""

from __future__ import annotations

import datetime
import traceback
from typing import Any, Callable

import pytest

import pycape
from pycape import Cape, FunctionRef, LocalEnclave

ID = "2" * 22
SECRET = "hunter2-hunter2"


@pytest.fixture
def offline() -> Cape:
    return Cape("wss://127.0.0.1:1", "a-token", policy="any")


def refused(call: Callable[[], Any], kind: type[Exception]) -> None:
    with pytest.raises(kind) as caught:
        call()
    assert isinstance(caught.value, pycape.CapeError)
    text = str(caught.value)
    assert text.isprintable() and len(text) < 300 and "cape.h" not in text
    assert caught.value.reason.startswith("argument.")


@pytest.mark.parametrize(
    "make",
    [
        lambda wrong: FunctionRef(wrong),
        lambda wrong: FunctionRef(id=wrong),
        lambda wrong: FunctionRef(name=wrong),
        lambda wrong: FunctionRef(ID, wrong),
        lambda wrong: FunctionRef(ID, checksum=wrong),
        lambda wrong: FunctionRef(ID, token=wrong),
        lambda wrong: FunctionRef(ID).set_hash(wrong),
        lambda wrong: FunctionRef(ID).set_auth_type(wrong),
    ],
)
@pytest.mark.parametrize("wrong", [5, b"abc", ["x"]])
def test_a_reference_of_another_type_is_a_type_error(make: Callable[[Any], Any], wrong: Any) -> None:
    refused(lambda: make(wrong), TypeError)


@pytest.mark.parametrize(
    "call",
    [
        lambda cape: cape.list(limit="10"),
        lambda cape: cape.list(offset=1.5),
        lambda cape: cape.list(limit=True),
        lambda cape: cape.create_token(5),
        lambda cape: cape.create_token(description=b"x"),
        lambda cape: cape.create_token(expiry=[]),
        lambda cape: cape.delete_token(None),
        lambda cape: cape.delete_token(b"x"),
        lambda cape: cape.deploy("x", name=5),
        lambda cape: cape.key(username=5),
        lambda cape: pycape.verify(b"x", "any", public_key_length="32"),
        lambda cape: pycape.verify(b"x", "any", public_key_length=32.5),
        lambda cape: cape.deploy("x", public="no"),
        lambda cape: LocalEnclave(tls="no"),
        lambda cape: LocalEnclave().set_faults(5),
        lambda cape: pycape.log_records("1"),
    ],
)
def test_an_argument_of_another_type_is_a_type_error(
    offline: Cape, call: Callable[[Cape], Any]
) -> None:
    refused(lambda: call(offline), TypeError)


@pytest.mark.parametrize(
    "expiry",
    ["1" * 400, "1" * 5000, "9" * 5000 + "h", 10**400, 10**5000, 1e300, float("nan"), "x" * 5000]
    + ["", "-5", "0001-01-01T00:00:00Z" * 50, datetime.timedelta.max, datetime.timedelta(0)],
    ids=lambda expiry: type(expiry).__name__,
)
def test_an_expiry_that_is_none_is_a_value_error(offline: Cape, expiry: Any) -> None:
    refused(lambda: offline.create_token(expiry=expiry), ValueError)


@pytest.mark.parametrize(
    "call",
    [
        lambda cape: cape.function("n" * 5000),
        lambda cape: cape.run("a/b", b"x", **{"n" * 5000: 1}),
        lambda cape: FunctionRef(name="n" * 5000),
        lambda cape: FunctionRef(name="a/b/" + "n" * 5000),
        lambda cape: cape.run("n" * 5000, b"x"),
        lambda cape: cape.function("/" + "n" * 5000),
        lambda cape: cape.token("/" + "n" * 5000),
        lambda cape: Cape(attestation_root="n" * 5000),
        lambda cape: Cape(tls_ca=b"n" * 5000),
        lambda cape: Cape(policy="n" * 5000),
        lambda cape: Cape(policy='{"pcrs": {}, "text": "' + "n" * 5000),
    ],
)
def test_the_error_about_a_long_text_is_short(offline: Cape, call: Callable[[Cape], Any]) -> None:
    refused(lambda: call(offline), ValueError)


@pytest.mark.parametrize("name", ["/", "a/", "/a", "a/b/c", "a//b"])
def test_a_name_that_lacks_a_part_is_a_value_error(name: str) -> None:
    for make in (
        lambda: FunctionRef(name),
        lambda: FunctionRef(name=name),
        lambda: FunctionRef(ID, name),
        lambda: FunctionRef(ID, checksum=name),
    ):
        refused(make, ValueError)


def test_an_empty_path_is_not_the_folder_where_one_is(offline: Cape) -> None:
    for call in (offline.deploy, offline.test, LocalEnclave):
        refused(lambda: call(""), ValueError)
        refused(lambda: call(b""), ValueError)
    refused(lambda: LocalEnclave(".", log=""), ValueError)
    refused(lambda: offline.key(key_path=""), ValueError)


@pytest.mark.parametrize("timeout", [0, -1, float("inf"), float("nan"), 1e300, 1e9, 10**400])
def test_a_time_out_has_a_range(timeout: float) -> None:
    refused(lambda: Cape(timeout=timeout), ValueError)
    Cape(timeout=864000)


def test_what_is_shown_gives_no_secret_away() -> None:
    for shown in (
        Cape(f"wss://ada:{SECRET}@example.com/path"),
        Cape("wss://example.com", SECRET, proxy=f"http://ada:{SECRET}@127.0.0.1:1"),
        FunctionRef(ID, SECRET),  # a token in the place of a checksum
        FunctionRef(ID, token=SECRET),
        pycape.Token(SECRET),
        pycape.FunctionAuth(pycape.FunctionAuthType.AUTH0, SECRET),
    ):
        assert SECRET not in repr(shown) + str(shown)
    assert "example.com/path" in repr(Cape(f"wss://ada:{SECRET}@example.com/path"))
    assert "ab" * 32 in repr(FunctionRef(ID, "ab" * 32))


@pytest.mark.parametrize(
    "url, expected",
    [
        (f"wss://ada:pa/{SECRET}@example.com/path", "wss://...@example.com/path"),
        (f"wss://ada:{SECRET}@pa@example.com", "wss://...@example.com"),
        (f"WSS://example.com/path?token={SECRET}", "WSS://example.com/path"),
        (f"wss://example.com/#{SECRET}", "wss://example.com/"),
        (f"wss://ada:{SECRET}?pa@example.com", "wss://..."),
        (f"wss://example.com/?token=pa@{SECRET}", "wss://..."),
        (f"ada:{SECRET}//pa@example.com", "...@example.com"),
        (f" wss://ada:{SECRET}@example.com\n", "wss://...@example.com"),
        ("wss://example.com/\x1b[31m", r"'wss://example.com/\x1b[31m'"),
        ("wss://[::1", "wss://[::1"),
    ],
)
def test_of_a_url_nothing_is_shown_that_may_be_secret(url: str, expected: str) -> None:
    assert repr(Cape(url)) == f"<Cape {expected} closed>"


@pytest.mark.parametrize("policy", ["any", {"pcr": "no such name"}], ids=["refused", "malformed"])
@pytest.mark.parametrize(
    "call",
    [
        lambda cape: cape.connect("ada/echo"),
        lambda cape: cape.run("ada/echo", b"x"),
        lambda cape: cape.key(),
        lambda cape: cape.list(),
        lambda cape: cape.create_token("x"),
    ],
)
def test_the_variables_that_a_traceback_shows_hold_no_token(
    client: Callable[..., Any], call: Callable[[Any], Any], policy: Any
) -> None:
    cape = client("wss://127.0.0.1:1", SECRET, policy=policy)
    with pytest.raises(pycape.CapeError) as caught:
        call(cape)
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert SECRET not in "".join(shown.format())
