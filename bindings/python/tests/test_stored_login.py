"""The login that ``cape login`` keeps: where it goes, where it does not, and what is said of that."""

from __future__ import annotations

import json
import logging
import pathlib
import traceback
from typing import Any, Callable

import pytest

import pycape
from pycape import Cape, LocalEnclave

SECRET = "hunter2-hunter2"
HOST = "wss://enclave.example.com"

Offered = Callable[[Cape], "str | None"]


@pytest.fixture
def login(clean_environment: pathlib.Path) -> Callable[..., None]:
    """Writes the file of a login: its text, or what else it has than a token."""

    def write(text: str | None = None, **more: Any) -> None:
        path = clean_environment / ".config" / "cape" / "auth"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"access_token": SECRET, **more}) if text is None else text)

    return write


@pytest.fixture
def offered(tried_connects: list[dict[str, Any]]) -> Offered:
    """Gives the token that a connect would offer."""

    def connect(cape: Cape) -> str | None:
        with pytest.raises(pycape.ConnectError):
            cape.connect("user/name")
        token: str | None = tried_connects[-1].get("token")
        return token

    return connect


@pytest.mark.parametrize(
    "settings, said",
    [
        ({"url": "ws://localhost:9", "proxy": "http://127.0.0.1:1"}, "the proxy could read it"),
        ({"url": "WS://127.0.0.1:9", "proxy": "http://127.0.0.1:1"}, "the proxy could read it"),
        ({"url": "ws://localhost:9", "insecure_ws": True}, "insecure_ws"),
        ({"url": "ws://192.0.2.1", "insecure_ws": True}, "without TLS it could be read on the way"),
    ],
)
def test_a_login_never_leaves_this_machine_in_the_clear(
    settings: dict[str, Any],
    said: str,
    login: Callable[..., None],
    offered: Offered,
    caplog: pytest.LogCaptureFixture,
) -> None:
    login()
    with caplog.at_level(logging.INFO, "pycape"):
        assert offered(Cape(policy="any", **settings)) is None
    assert "no token is offered: " in caplog.text and said in caplog.text
    assert offered(Cape(access_token="given", policy="any", **settings)) == "given"


@pytest.mark.parametrize(
    "settings",
    [
        {"url": "WSS://enclave.example.com"},
        {"url": "Https://enclave.example.com"},
        {"url": HOST, "proxy": "http://127.0.0.1:1"},
        {"url": HOST, "insecure_ws": True},
        {"url": "WS://LOCALHOST:9"},
        {"url": "http://[::1]:9", "insecure_ws": True},
        {"url": "ws://127.0.0.1:9", "insecure_ws": True},
    ],
)
def test_a_login_goes_where_nobody_can_read_it(
    settings: dict[str, Any], login: Callable[..., None], offered: Offered
) -> None:
    login()
    assert offered(Cape(policy="any", **settings)) == SECRET


def test_the_log_says_wherever_a_login_is_not_offered(
    enclave: LocalEnclave, offered: Offered, caplog: pytest.LogCaptureFixture
) -> None:
    for cape, said in (
        (Cape(enclave=enclave), "a local enclave needs none"),
        (Cape("ws://127.0.0.1:9", policy="any"), "cannot be read"),
    ):
        caplog.clear()
        with caplog.at_level(logging.DEBUG, "pycape"):
            assert offered(cape) is None
        [record] = [one for one in caplog.records if "no token is offered: " in one.getMessage()]
        assert said in record.getMessage() and record.levelno == logging.DEBUG


@pytest.mark.parametrize(
    "address",
    [
        "https://enclave.capeprivacy.com",
        "wss://ENCLAVE.CapePrivacy.com/",
        "wss://enclave.capeprivacy.com:443/v1",
        "wss://app.capeprivacy.com.",
        " WSS://api.capeprivacy.com ",
    ],
)
def test_a_service_that_has_ended_is_none_however_it_is_written(
    address: str, login: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    login()
    monkeypatch.setenv("CAPE_ENCLAVE_HOST", address)
    for cape in (Cape(address, policy="any"), Cape(policy="any")):
        with pytest.raises(pycape.ArgumentError, match="public Cape service has ended") as caught:
            cape.connect("user/name")
        assert caught.value.reason == "argument.url"
    monkeypatch.setenv("CAPE_ENCLAVE_HOST", HOST)
    assert HOST in repr(Cape(address))


@pytest.mark.parametrize("host", [0, False, {}, [], 5, 1.5, True, ["wss://enclave.example.com"]])
@pytest.mark.parametrize("url", [HOST, "ws://127.0.0.1:9"])
def test_a_host_that_is_no_text_is_not_taken_for_none(
    host: Any, url: str, login: Callable[..., None]
) -> None:
    login(enclave_host=host)
    with pytest.raises(pycape.AuthError, match="enclave_host") as caught:
        Cape(url, policy="any").connect("user/name")
    assert caught.value.reason == "auth.token_missing"


@pytest.mark.parametrize("host", [None, ""])
def test_no_host_binds_a_login_to_none(
    host: Any, login: Callable[..., None], offered: Offered
) -> None:
    login(enclave_host=host)
    assert offered(Cape(HOST, policy="any")) == SECRET


@pytest.mark.parametrize(
    "members",
    [
        '"Enclave_Host": "wss://other.example.com"',
        '"enclave_ho\u017ft": "wss://other.example.com"',
        '"enclave_host": "wss://other.example.com", "enclave_host": null',
        '"enclave_host": "wss://other.example.com", "ENCLAVE_HOST": "wss://enclave.example.com"',
        '"Access_Token": "another"',
    ],
)
def test_a_name_in_capitals_or_given_twice_is_refused(
    members: str, login: Callable[..., None]
) -> None:
    login(f'{{"access_token": "{SECRET}", {members}}}')
    with pytest.raises(pycape.AuthError):
        Cape(HOST, policy="any").connect("user/name")


def test_letters_that_only_look_like_those_of_a_host_are_of_another(
    login: Callable[..., None], offered: Offered
) -> None:
    login(enclave_host="wss://ban\u212a.example.com")
    with pytest.raises(pycape.ArgumentError, match="is for"):
        Cape("wss://bank.example.com", policy="any").connect("user/name")
    login(enclave_host="wss://b\u00e4nk.example.com")
    assert offered(Cape("wss://B\u00e4nk.example.com", policy="any")) == SECRET


@pytest.mark.parametrize(
    "content",
    [
        {"access_token": SECRET, "enclave_host": "wss://other.example.com"},
        {"access_token": SECRET, "enclave_host": 5},
        {"access_token": [SECRET]},
        {"refresh_token": SECRET},
        [SECRET],
        SECRET,
    ],
)
@pytest.mark.parametrize("call", ["connect", "list"])
def test_the_variables_that_a_traceback_shows_hold_no_login(
    content: Any, call: str, client: Callable[..., Any], login: Callable[..., None]
) -> None:
    login(json.dumps(content))
    cape = client(HOST, policy="any")
    with pytest.raises(pycape.CapeError) as caught:
        cape.connect("user/name") if call == "connect" else cape.list()
    frames = [entry.name for entry in traceback.extract_tb(caught.value.__traceback__)]
    assert "stored_token" in frames
    # The variables of this test hold what they should not show.
    caught.value.__traceback__ = caught.value.__traceback__.tb_next if caught.value.__traceback__ else None
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert SECRET not in "".join(shown.format())


@pytest.mark.parametrize("token", ["", "  ", "\n"])
def test_a_blank_login_is_none(token: str, login: Callable[..., None], offered: Offered) -> None:
    login(access_token=token)
    with pytest.raises(pycape.AuthError):
        Cape(HOST, policy="any").connect("user/name")
    assert offered(Cape("ws://127.0.0.1:9", policy="any")) is None


def test_a_login_that_cannot_be_read_is_told_of(
    clean_environment: pathlib.Path, offered: Offered, caplog: pytest.LogCaptureFixture
) -> None:
    (clean_environment / ".config" / "cape" / "auth").mkdir(parents=True)
    with caplog.at_level(logging.INFO, "pycape"):
        assert offered(Cape("ws://127.0.0.1:9", policy="any")) is None
    assert "cannot be read" in caplog.text


def test_the_variables_of_a_call_hide_the_password_of_a_proxy() -> None:
    cape = Cape("wss://127.0.0.1:9", "a.b.c", policy="any", proxy=f"http://user:{SECRET}@127.0.0.1:9")
    with pytest.raises(pycape.ConnectError) as caught:
        cape.connect("user/name")
    frames = [frame for frame, _ in traceback.walk_tb(caught.value.__traceback__)]
    shown = [repr(frame.f_locals["options"]) for frame in frames if "options" in frame.f_locals]
    assert shown and SECRET not in "".join(shown)
