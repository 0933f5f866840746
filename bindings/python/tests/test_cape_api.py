"""The documented interface, as programs use it."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import logging
import pathlib
import re
import sys
import threading
from typing import Any, Callable

import pytest

import pycape
import pycape.aio
import pycape.cape
import serdio
from pycape import Cape, FunctionRef, LocalEnclave


@pytest.fixture
def echo(enclave: LocalEnclave) -> Any:
    with Cape(enclave=enclave) as cape:
        cape.connect(FunctionRef("local/echo"))
        yield cape


def test_signatures_are_the_documented_ones() -> None:
    def parameters(function: Any) -> str:
        signature = inspect.signature(function)
        plain = [
            p.replace(annotation=inspect.Parameter.empty) for p in signature.parameters.values()
        ]
        return str(inspect.Signature(plain))

    assert parameters(Cape) == (
        "(url=None, access_token=None, verbose=False, *, "
        "enclave=None, attestation_root=None, tls_ca=None, policy=None, timeout=None, "
        "insecure_ws=False, proxy=None, reconnect=False, signed_results=False, "
        "progress=None)"
    )
    assert parameters(Cape.connect) == (
        "(self, function_ref, function_token=None, pcrs=None, *, token=None)"
    )
    assert parameters(Cape.invoke) == (
        "(self, /, *args, serde_hooks=None, use_serdio=False, **kwargs)"
    )
    assert parameters(Cape.run) == (
        "(self, function_ref, *args, function_token=None, serde_hooks=None, "
        "use_serdio=False, pcrs=None, **kwargs)"
    )
    assert parameters(Cape.close) == "(self)"
    assert parameters(FunctionRef) == (
        "(function_id=None, function_hash=None, checksum=None, *, id=None, name=None, token=None)"
    )
    assert parameters(LocalEnclave) == (
        f"(*dirs, python={sys.executable!r}, tls=False, log=None, faults=())"
    )


def test_old_import_paths_work() -> None:
    assert pycape.cape.Cape is Cape
    assert pycape.cape.FunctionRef is FunctionRef
    assert pycape.cape.FunctionAuthType.AUTH0.value == 1
    assert pycape.cape.FunctionAuthType.FUNCTION_TOKEN.value == 2
    auth = pycape.cape.FunctionAuth(pycape.cape.FunctionAuthType.AUTH0, "secret")
    assert auth.token == "secret"
    assert "secret" not in repr(auth)


def test_a_function_ref_has_an_id_and_perhaps_a_hash() -> None:
    reference = FunctionRef("abc")
    assert (reference.get_id(), reference.get_hash()) == ("abc", None)
    reference.set_hash("00" * 32)
    assert reference.get_hash() == "00" * 32
    none: Any = None
    with pytest.raises(ValueError):
        FunctionRef(none)


def test_connect_invoke_close(enclave: LocalEnclave) -> None:
    cape = Cape(enclave=enclave)
    cape.connect(FunctionRef("local/echo"))
    assert cape.invoke(b"hello") == b"hello"
    assert cape.invoke(b"again") == b"again"
    cape.close()
    cape.close()


def test_run_does_it_all(enclave: LocalEnclave) -> None:
    cape = Cape(enclave=enclave)
    assert cape.run(FunctionRef("local/pythagorean"), 3, 4, use_serdio=True) == 5
    assert cape.run("local/echo", b"x") == b"x"
    with pytest.raises(pycape.ClosedError):
        cape.invoke(b"x")


def test_run_leaves_the_connection_alone(echo: Cape) -> None:
    assert echo.run(FunctionRef("local/pythagorean"), a=5, b=12, use_serdio=True) == 13
    assert echo.invoke(b"still here") == b"still here"


def test_a_function_can_be_named_by_its_id(enclave: LocalEnclave) -> None:
    for function in enclave.functions:
        with Cape(enclave=enclave) as cape:
            cape.connect(function["id"])


def test_connecting_again_goes_to_the_other_function(echo: Cape) -> None:
    echo.connect("local/pythagorean")
    assert echo.invoke(8, 15, use_serdio=True) == 17


def test_after_a_failed_connect_nothing_goes_to_the_old_function(echo: Cape) -> None:
    with pytest.raises(pycape.ConnectError):
        echo.connect("local/nothing")
    with pytest.raises(pycape.ClosedError):
        echo.invoke(b"meant for the other")


@pytest.mark.parametrize("wrong", [None, 7, b"local/echo", ["local/echo"]])
def test_what_is_no_function_reference_is_a_type_error(enclave: LocalEnclave, wrong: Any) -> None:
    with pytest.raises(TypeError):
        Cape(enclave=enclave).connect(wrong)
    with pytest.raises(TypeError):
        Cape(enclave=enclave).run(wrong, b"x")


def test_a_single_keyword_argument_is_an_input(echo: Cape) -> None:
    assert echo.invoke(data=b"x") == b"x"


@pytest.mark.parametrize("args", [(), (b"a", b"b")])
def test_not_one_input_is_a_value_error(echo: Cape, args: Any) -> None:
    with pytest.raises(ValueError, match=str(len(args))) as caught:
        echo.invoke(*args)
    assert isinstance(caught.value, pycape.ArgumentError)
    with pytest.raises(ValueError):
        echo.run("local/echo", *args)


@pytest.mark.parametrize("wrong", ["text", 7, None, [b"x"]])
def test_an_input_that_is_not_bytes_is_a_type_error(echo: Cape, wrong: Any) -> None:
    with pytest.raises(TypeError, match=type(wrong).__name__) as caught:
        echo.invoke(wrong)
    assert isinstance(caught.value, pycape.ArgumentTypeError)
    assert echo.invoke(b"next") == b"next"


@pytest.mark.parametrize("data", [bytearray(b"abcd"), memoryview(b"abcd"), memoryview(b"a.b.c.d")[::2]])
def test_an_input_may_be_what_holds_bytes(echo: Cape, data: Any) -> None:
    assert echo.invoke(data) == b"abcd"
    assert echo.run("local/echo", data) == b"abcd"


def test_a_view_that_was_released_is_a_value_error(echo: Cape) -> None:
    data = memoryview(b"abc")
    data.release()
    with pytest.raises(pycape.ArgumentError, match="released"):
        echo.invoke(data)


@pytest.mark.parametrize(
    "kwargs, said",
    [
        ({"timeout": 2}, "timeout is an argument of Cape(), and here it went to the function"),
        (
            {"url": "x", "colour": "red", "tls_ca": "x", "verbose": True},
            "url, tls_ca, verbose are arguments of Cape(), and here they went to the function",
        ),
        *(({name: 1}, f"{name} is an argument of Cape()") for name in ("enclave", "proxy", "insecure_ws")),
        ({"user_serdio": True}, "user_serdio went to the function, as every keyword does that"),
    ],
)
def test_a_keyword_that_went_to_the_function_is_named(
    echo: Cape, kwargs: dict[str, Any], said: str
) -> None:
    for call in (lambda: echo.run("local/echo", b"x", **kwargs), lambda: echo.invoke(**kwargs)):
        with pytest.raises(pycape.CapeError, match=re.escape(said)):
            call()


def test_the_wrong_kind_of_with_is_said(enclave: LocalEnclave) -> None:
    wrong: Any = pycape.aio.Cape(enclave=enclave)
    with pytest.raises(pycape.ArgumentTypeError, match="'async with'"):
        with wrong:
            pass

    async def awaited() -> None:
        other: Any = Cape(enclave=enclave)
        async with other:
            pass

    with pytest.raises(pycape.ArgumentTypeError, match=r"'with': pycape\.aio\.Cape"):
        asyncio.run(awaited())


def test_the_wrong_exit_closes_and_says_so(enclave: LocalEnclave) -> None:
    wrong: Any = pycape.aio.Cape(enclave=enclave)
    asyncio.run(wrong.connect("local/echo"))
    with pytest.raises(pycape.ArgumentTypeError, match="'async with'"):
        with contextlib.ExitStack() as stack:
            stack.push(wrong)
    assert "closed" in repr(wrong)
    other: Any = Cape(enclave=enclave)
    other.connect("local/echo")

    async def awaited() -> None:
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_exit(other)

    with pytest.raises(pycape.ArgumentTypeError, match=r"'with': pycape\.aio\.Cape"):
        asyncio.run(awaited())
    assert "closed" in repr(other)


def test_an_argument_that_is_unknown_is_one_of_cape() -> None:
    unknown: Any = {"foo": 1}
    for kind in (Cape, pycape.aio.Cape):
        with pytest.raises(TypeError, match=r"^Cape\.__init__\(\) got an unexpected keyword argument 'foo'"):
            kind(**unknown)


def test_hooks_imply_serdio(echo: Cape) -> None:
    hooks = serdio.SerdeHookBundle(
        lambda value: {"bytearray": bytes(value.data)} if isinstance(value, Box) else None,
        lambda value: Box(value["bytearray"]) if "bytearray" in value else value,
    )
    assert echo.invoke(Box(b"1"), serde_hooks=hooks).data == b"1"
    assert echo.invoke(Box(b"2"), serde_hooks=hooks.unbundle()).data == b"2"
    assert echo.run("local/echo", Box(b"3"), serde_hooks=hooks.to_dict()).data == b"3"
    wrong: Any = 5
    with pytest.raises(TypeError):
        echo.invoke(Box(b""), serde_hooks=wrong)


class Box:
    def __init__(self, data: bytes) -> None:
        self.data = data


def test_keyword_arguments_of_a_function_may_be_called_encoder(echo: Cape) -> None:
    assert echo.invoke(1, encoder=2, use_serdio=True) == 1


@pytest.mark.parametrize("value", [1, (1, (2.5, "x")), {"k": [b"y", {1}]}, None, 1 + 2j, ()])
def test_values_go_through_an_enclave_and_back(echo: Cape, value: Any) -> None:
    assert echo.invoke(value, use_serdio=True) == value


def test_a_result_that_is_no_serdio_is_a_value_error(enclave: LocalEnclave) -> None:
    with Cape(enclave=enclave) as cape:
        cape.connect("local/mischief")
        assert cape.invoke(b"garbage") == b"\x01"
        with pytest.raises(ValueError, match="no serialized call"):
            cape.invoke("garbage", use_serdio=True)


def test_invoke_before_connect_and_after_close_says_what_to_do(enclave: LocalEnclave) -> None:
    cape = Cape(enclave=enclave)
    with pytest.raises(RuntimeError, match=r"connect\(\)") as caught:
        cape.invoke(b"x")
    assert isinstance(caught.value, pycape.ClosedError)
    assert caught.value.reason == "closed.not_sent"
    cape.connect("local/echo")
    cape.close()
    with pytest.raises(RuntimeError, match=r"connect\(\)"):
        cape.invoke(b"x")
    cape.connect("local/echo")
    assert cape.invoke(b"x") == b"x"
    cape.close()


def test_close_without_connect_does_nothing() -> None:
    Cape(access_token="some-token").close()


def test_the_report_tells_who_answered(enclave: LocalEnclave) -> None:
    cape = Cape(enclave=enclave)
    assert cape.report is None
    cape.connect("local/echo")
    report = cape.report
    assert report is not None
    assert report["verdict"] == "accepted"
    assert report["module_id"].startswith("i-")
    assert report["pcrs"]["0"] == enclave.pcrs["0"]
    assert [step["status"] for step in report["steps"]] == ["ok"] * 6
    enclave.set_faults("expired_leaf")
    with pytest.raises(pycape.AttestationError):
        cape.connect("local/echo")
    assert cape.report is None


# Tokens.


def write_auth(home: pathlib.Path, content: str) -> None:
    path = home / ".config" / "cape" / "auth"
    path.parent.mkdir(parents=True)
    path.write_text(content)


ENDED = ["wss://enclave.capeprivacy.com", "https://app.capeprivacy.com", "https://app.capeprivacy.com/"]


@pytest.mark.parametrize("url", [None, *ENDED])
@pytest.mark.parametrize(
    "call",
    [
        lambda cape: cape.connect("user/name"),
        lambda cape: cape.run("user/name", b"x"),
        lambda cape: cape.list(),
        lambda cape: cape.key(),
        lambda cape: cape.deploy("."),
    ],
)
def test_no_login_goes_to_a_service_that_nobody_named(
    client: Any, url: str | None, call: Any, clean_environment: pathlib.Path
) -> None:
    write_auth(clean_environment, json.dumps({"access_token": "from-file"}))
    cape = client(url, policy="any")
    with pytest.raises(ValueError, match="give url or enclave, or set CAPE_ENCLAVE_HOST") as caught:
        call(cape)
    assert isinstance(caught.value, pycape.ArgumentError)
    assert caught.value.reason == "argument.url"
    assert "capeprivacy" not in repr(cape.cape)


@pytest.mark.parametrize("url", [None, *ENDED])
def test_the_environment_names_the_service_of_a_program_that_names_none(
    url: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAPE_ENCLAVE_HOST", "wss://enclave.example.com")
    assert repr(Cape(url)) == "<Cape wss://enclave.example.com closed>"


def test_without_a_login_another_machine_is_a_value_error(
    clean_environment: pathlib.Path,
) -> None:
    with pytest.raises(ValueError, match="access_token") as caught:
        Cape(**REMOTE).connect("user/name")
    assert str(clean_environment) in str(caught.value)


def test_a_client_shows_whom_it_calls(enclave: LocalEnclave) -> None:
    assert repr(Cape()) == "<Cape of no enclave closed>"
    assert repr(Cape(enclave=enclave)) == f"<Cape {enclave!r} closed>"
    other = Cape("wss://other.example.com", enclave=enclave)
    assert repr(other) == "<Cape wss://other.example.com closed>"


HERE = "wss://enclave.example.com:8443"


@pytest.mark.parametrize("host", [HERE, "https://ENCLAVE.example.com:8443/", "", None])
def test_a_login_goes_to_the_host_that_it_is_for(
    host: Any, clean_environment: pathlib.Path, tried_connects: list[Any]
) -> None:
    write_auth(clean_environment, json.dumps({"access_token": "from-file", "enclave_host": host}))
    cape = Cape(HERE, policy="any")
    assert offered(cape, None, tried_connects) == ("from-file", "access")


@pytest.mark.parametrize(
    "host",
    ["wss://other.example.com:8443", "wss://enclave.example.com", "enclave.example.com:8443", "wss://["],
)
def test_a_login_for_another_host_is_none(
    host: str,
    client: Any,
    clean_environment: pathlib.Path,
    tried_connects: list[Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    write_auth(clean_environment, json.dumps({"access_token": "from-file", "enclave_host": host}))
    cape = client(HERE, policy="any")
    for call in (lambda: cape.connect("user/name"), cape.list, cape.key):
        with pytest.raises(ValueError, match="the login in .* is for .*; give access_token") as caught:
            call()
        assert caught.value.reason == "argument.token"  # type: ignore[attr-defined]
        assert "from-file" not in str(caught.value)
    with caplog.at_level(logging.INFO, "pycape"):
        assert offered(Cape("ws://127.0.0.1:9", policy="any"), None, tried_connects) == (None, None)
    assert "no token is offered: the login in " in caplog.text and "from-file" not in caplog.text
    given = Cape(HERE, "given", policy="any")
    assert offered(given, None, tried_connects) == ("given", "access")


def test_a_login_whose_host_is_no_text_is_none(clean_environment: pathlib.Path) -> None:
    write_auth(clean_environment, json.dumps({"access_token": "from-file", "enclave_host": 5}))
    with pytest.raises(pycape.AuthError):
        Cape(HERE, policy="any").list()


@pytest.mark.parametrize("content", ["{}", "not JSON", '["access_token"]', '{"access_token": 5}'])
def test_a_login_without_a_token_is_a_runtime_error(
    clean_environment: pathlib.Path, content: str
) -> None:
    write_auth(clean_environment, content)
    with pytest.raises(RuntimeError, match="access_token") as caught:
        Cape(**REMOTE).connect("user/name")
    assert isinstance(caught.value, pycape.AuthError)


def offered(cape: Cape, token: str | None, tried: list[dict[str, Any]]) -> Any:
    """The token that a connect would offer, and as what."""
    with pytest.raises(pycape.ConnectError):
        cape.connect("user/name", token)
    return tried[-1].get("token"), tried[-1].get("token_type")


REMOTE: Any = {"url": "wss://enclave.example.com", "policy": "any"}


def test_the_token_of_the_login_is_offered_without_its_newline(
    clean_environment: pathlib.Path, tried_connects: list[Any]
) -> None:
    write_auth(clean_environment, json.dumps({"access_token": "from-file\n"}) + "\n")
    assert offered(Cape(**REMOTE), None, tried_connects) == ("from-file", "access")


def test_a_token_given_goes_before_the_login(
    clean_environment: pathlib.Path, tried_connects: list[Any]
) -> None:
    write_auth(clean_environment, json.dumps({"access_token": "from-file"}))
    cape = Cape(access_token="given\n", **REMOTE)
    assert offered(cape, None, tried_connects) == ("given", "access")
    assert offered(cape, "for-one", tried_connects) == ("for-one", "function")


def test_a_function_token_needs_no_login(tried_connects: list[Any]) -> None:
    assert offered(Cape(**REMOTE), "for-one", tried_connects) == ("for-one", "function")


def test_another_service_needs_a_token_at_connect() -> None:
    with pytest.raises(ValueError, match="access_token"):
        Cape(**REMOTE).connect("user/name")


@pytest.mark.parametrize("url", ["ws://127.0.0.1:9", "ws://localhost:9", "wss://[::1]:9"])
def test_a_service_on_this_machine_needs_no_token(
    url: str, tried_connects: list[Any]
) -> None:
    assert offered(Cape(url=url, policy="any"), None, tried_connects) == (None, None)


def test_a_service_on_this_machine_is_offered_the_login_that_there_is(
    clean_environment: pathlib.Path, tried_connects: list[Any]
) -> None:
    write_auth(clean_environment, json.dumps({"access_token": "from-file"}))
    cape = Cape(url="ws://127.0.0.1:9", policy="any")
    assert offered(cape, None, tried_connects) == ("from-file", "access")


def test_the_login_never_goes_out_in_the_clear(
    clean_environment: pathlib.Path, tried_connects: list[Any]
) -> None:
    write_auth(clean_environment, json.dumps({"access_token": "from-file"}))
    cape = Cape(url="ws://enclave.example.com", policy="any", insecure_ws=True)
    assert offered(cape, None, tried_connects) == (None, None)


def test_plaintext_to_another_machine_is_refused_unless_it_is_allowed_by_name() -> None:
    with pytest.raises(ValueError, match="insecure_ws") as caught:
        Cape(url="ws://192.0.2.1", policy="any").connect("user/name")
    assert isinstance(caught.value, pycape.CapeError)
    assert caught.value.reason == "argument.insecure_url"


def test_an_empty_token_offers_none(tried_connects: list[Any]) -> None:
    assert offered(Cape(access_token="", **REMOTE), None, tried_connects) == (None, None)


def test_a_token_that_is_not_text_is_a_type_error(enclave: LocalEnclave) -> None:
    wrong: Any = b"token"
    with pytest.raises(TypeError):
        Cape(access_token=wrong)
    with pytest.raises(TypeError):
        Cape(enclave=enclave).connect("local/echo", function_token=wrong)


def test_no_token_stands_in_an_error_or_a_repr(enclave: LocalEnclave) -> None:
    cape = Cape(url=enclave.url, access_token="se cret", policy="any")
    with pytest.raises(pycape.CapeError) as caught:
        cape.connect("local/echo")
    assert "cret" not in str(caught.value) + repr(cape)


# Logging.


def test_verbose_concerns_the_logger_pycape_alone(python: Callable[..., str]) -> None:
    program = """
        import logging, pycape
        root = logging.getLogger()
        before = root.level, list(root.handlers)
        pycape.Cape(access_token="some-token", verbose=True)
        assert (root.level, list(root.handlers)) == before
        print(logging.getLevelName(logging.getLogger("pycape").level))
    """
    assert python(program) == "DEBUG"


def test_debug_messages_have_no_payload(
    enclave: LocalEnclave, caplog: pytest.LogCaptureFixture
) -> None:
    logger = logging.getLogger("pycape")
    level = logger.level
    try:
        with Cape(enclave=enclave, access_token="top-secret", verbose=True) as cape:
            cape.run("local/echo", b"private")
    finally:
        logger.setLevel(level)
    assert "invoked" in caplog.text
    assert "private" not in caplog.text
    assert "top-secret" not in caplog.text


# Closing while connecting.


@pytest.fixture
def slow_connect(monkeypatch: pytest.MonkeyPatch) -> tuple[threading.Event, threading.Event]:
    """Connects wait once they have a session: (it has come to that, it may go on)."""
    connect, arrived, go_on = pycape._ffi.connect, threading.Event(), threading.Event()

    def wait(options: dict[str, Any]) -> Any:
        session = connect(options)
        arrived.set()
        assert go_on.wait(30)
        return session

    monkeypatch.setattr("pycape._ffi.connect", wait)
    return arrived, go_on


def test_close_ends_a_connect_of_another_thread(enclave: LocalEnclave, slow_connect: Any) -> None:
    arrived, go_on = slow_connect
    cape = Cape(enclave=enclave)
    caught: list[BaseException] = []

    def connect() -> None:
        try:
            cape.connect("local/echo")
        except BaseException as error:
            caught.append(error)

    thread = threading.Thread(target=connect)
    thread.start()
    assert arrived.wait(30)
    cape.close()
    go_on.set()
    thread.join(30)
    [error] = caught
    assert isinstance(error, pycape.ClosedError)
    assert error.reason == "closed.not_sent"
    assert "closed" in repr(cape)
    with pytest.raises(pycape.ClosedError):
        cape.invoke(b"x")
    cape.connect("local/echo")
    assert cape.invoke(b"x") == b"x"
    cape.close()


def test_close_leaves_a_run_of_another_thread_alone(
    enclave: LocalEnclave, slow_connect: Any
) -> None:
    arrived, go_on = slow_connect
    cape = Cape(enclave=enclave)
    results: list[bytes] = []
    thread = threading.Thread(target=lambda: results.append(cape.run("local/echo", b"x")))
    thread.start()
    assert arrived.wait(30)
    cape.close()
    go_on.set()
    thread.join(30)
    assert results == [b"x"]


@pytest.mark.parametrize("wrong", [(None,), (7,), ("local/echo", b"token"), ("local/echo", " ")])
def test_a_wrong_argument_leaves_the_connection_as_it_is(echo: Cape, wrong: Any) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        echo.connect(*wrong)
    assert isinstance(caught.value, pycape.CapeError)
    assert echo.invoke(b"still here") == b"still here"


@pytest.mark.parametrize("blank", [" ", "\n", "\t  "])
def test_a_blank_token_is_a_value_error(blank: str) -> None:
    for make in (lambda: Cape(access_token=blank), lambda: Cape(**REMOTE).connect("f", blank)):
        with pytest.raises(ValueError, match="blank") as caught:
            make()
        assert isinstance(caught.value, pycape.ArgumentError)
        assert caught.value.reason == "argument.token"
