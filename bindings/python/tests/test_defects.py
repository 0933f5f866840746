"""What was wrong with the original client, by the numbers of the list in the protocol. Those of serdio
are in test_serdio_defects."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import logging
import pathlib
import random
import socket
import threading
import time
from typing import Any, Callable, Iterator

import pytest

import pycape
import pycape.aio
import serdio
from conftest import FUNCTIONS, Running, descriptors, handles
from pycape import Cape, FunctionRef, LocalEnclave, Token
from pycape.experimental import cli

JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl"


@contextlib.contextmanager
def listening(answer: bytes = b"") -> Iterator[tuple[str, list[bytes]]]:
    """A server that notes what arrives. Gives its host and port, and the notes."""
    arrived: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        ended = threading.Event()

        def serve() -> None:
            while not ended.is_set():
                with contextlib.suppress(OSError):
                    peer, _ = server.accept()
                    with peer:
                        arrived.append(peer.recv(65536))
                        peer.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"127.0.0.1:{server.getsockname()[1]}", arrived
        finally:
            ended.set()
            thread.join(30)


def test_1_that_any_enclave_is_accepted_is_never_silent(enclave: LocalEnclave) -> None:
    cape = Cape(enclave.url, attestation_root=enclave.attestation_root)
    for call in (lambda: cape.connect("local/echo"), cape.key):
        with pytest.warns(pycape.UnpinnedWarning):
            call()
    cape.close()


def test_2_results_can_be_signed_by_the_enclave(enclave: LocalEnclave) -> None:
    with Cape(enclave=enclave, signed_results=True) as cape:
        cape.connect("local/echo")
        assert cape.invoke(b"x") == b"x"


def test_4_a_token_stands_in_no_log_and_no_error(
    enclave: LocalEnclave, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    cape = Cape(enclave=enclave)
    cape.run("local/echo", Token(JWT), b"x")
    enclave.set_faults("reject_token")
    with pytest.raises(pycape.AuthError) as caught:
        cape.connect("local/echo", Token(JWT))
    assert "invoked" in caplog.text
    assert JWT not in caplog.text + str(caught.value) + repr(cape) + repr(Token(JWT))


def test_5_the_age_of_a_stored_key_can_be_bounded(service: Running) -> None:
    settings = service.settings()
    old = Cape(**settings).key(username="ada")
    time.sleep(0.02)
    bounded = Cape(**settings | {"policy": {"pcrs": service.pcrs, "max_age_ms": 1}})
    with pytest.raises(pycape.AttestationError) as caught:
        bounded.key(username="ada")
    assert caught.value.reason == "time.too_old"
    assert old


def test_7_certificates_that_a_document_brings_along_are_not_trusted(enclave: LocalEnclave) -> None:
    enclave.set_faults("foreign_root")
    with pytest.raises(pycape.AttestationError) as caught:
        Cape(enclave=enclave).connect("local/echo")
    assert caught.value.reason == "chain.root"


def test_8_the_nonce_is_no_pseudorandom_number_and_is_checked(enclave: LocalEnclave) -> None:
    state = random.getstate()
    Cape(enclave=enclave).run("local/echo", b"x")
    assert random.getstate() == state
    enclave.set_faults("replayed_nonce")
    with pytest.raises(pycape.AttestationError) as caught:
        Cape(enclave=enclave).connect("local/echo")
    assert caught.value.reason == "nonce.mismatch"


def test_9_a_single_keyword_argument_is_an_input(enclave: LocalEnclave) -> None:
    with Cape(enclave=enclave) as cape:
        cape.connect("local/echo")
        assert cape.invoke(data=b"x") == b"x"
        assert cape.run("local/echo", data=b"x") == b"x"
        with pytest.raises(TypeError):
            cape.invoke(data="text")


def test_10_user_data_may_be_absent_where_no_checksum_is_asked_for(enclave: LocalEnclave) -> None:
    enclave.set_faults("missing_user_data")
    assert Cape(enclave=enclave).run("local/echo", b"x") == b"x"
    with pytest.raises(pycape.PolicyError):
        Cape(enclave=enclave).run(FunctionRef("local/echo", "00" * 32), b"x")


def test_11_no_root_is_fetched(enclave: LocalEnclave, python: Callable[..., str]) -> None:
    program = """
        import sys, pycape
        try:
            pycape.Cape(sys.argv[1], policy="any").connect("local/echo")
        except pycape.AttestationError as error:
            print(error.reason)
    """
    with listening() as (address, arrived):
        proxies = {name: f"http://{address}" for name in ("http_proxy", "https_proxy", "HTTPS_PROXY", "ALL_PROXY")}
        assert python(program, enclave.url, **proxies) == "chain.root"
    assert arrived == []


def test_12_the_event_loop_of_a_program_is_its_own(enclave: LocalEnclave) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert Cape(enclave=enclave).run("local/echo", b"x") == b"x"  # as in a notebook
        assert asyncio.get_running_loop() is loop

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        Cape(enclave=enclave)
        pycape.aio.Cape(enclave=enclave)
        assert asyncio.get_event_loop() is loop
        loop.run_until_complete(main())
    finally:
        asyncio.set_event_loop(None)
        loop.close()


def test_12_nothing_is_left_open_after_an_error(enclave: LocalEnclave) -> None:
    cape = Cape(enclave=enclave)
    before = handles()
    kept = []  # as by a debugger, with the variables of the call in their tracebacks
    for _ in range(3):
        with pytest.raises(pycape.FunctionError) as caught:
            cape.run("local/mischief", b"raise")
        kept.append(caught)
    assert handles() == before


def test_12_waiting_has_an_end(enclave: LocalEnclave) -> None:
    enclave.set_faults("no_reply")
    with pytest.raises(pycape.CapeTimeoutError):
        Cape(enclave=enclave, timeout=0.2).run("local/echo", b"x")


def test_12_close_without_connect_is_no_error() -> None:
    cape = Cape()
    cape.close()
    cape.close()


@pytest.mark.parametrize("name", ["CAPEDEV_DISABLE_SSL", "CAPE_DEV_DISABLE_SSL"])
@pytest.mark.parametrize("value", ["false", "False", "0", "no", "off", " ", "true", "1", "yes"])
def test_13_tls_is_always_checked(
    tls_enclave: LocalEnclave,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    name: str,
    value: str,
) -> None:
    monkeypatch.setenv(name, value)
    cape = Cape(tls_enclave.url, attestation_root=tls_enclave.attestation_root, policy="any")
    assert (name in caplog.text) == (value in ("true", "1", "yes"))
    with pytest.raises(pycape.TLSError):
        cape.connect("local/echo")


@pytest.fixture(scope="module")
def tls_enclave() -> Iterator[LocalEnclave]:
    with LocalEnclave(FUNCTIONS / "echo", tls=True) as enclave:
        yield enclave


def test_13_plaintext_to_this_machine_is_possible(enclave: LocalEnclave) -> None:
    assert enclave.url.startswith("ws://")
    settings: Any = {"attestation_root": enclave.attestation_root, "policy": "any"}
    for url in (enclave.url, enclave.url.replace("ws://", "http://")):
        assert Cape(url, **settings).run("local/echo", b"x") == b"x"


def test_15_the_token_of_a_file_is_a_token_without_its_newline(
    enclave: LocalEnclave, tmp_path: pathlib.Path
) -> None:
    path = tmp_path / "token"
    path.write_text(JWT + "\r\n")
    cape = Cape(enclave=enclave)
    for named in (path, str(path), JWT):
        token = cape.token(named)
        assert (type(token), token.raw) == (Token, JWT)
        assert cape.run("local/echo", token, b"x") == b"x"


def test_16_an_unusable_identifier_is_named() -> None:
    with pytest.raises(ValueError, match="'no-such-thing'"):
        Cape().function("no-such-thing")


def test_16_no_file_stands_in_for_a_name(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    identity = "22" * 11
    (tmp_path / "ada").mkdir()
    for name in (identity, "ada/echo"):
        FunctionRef("somebody/else").to_json(tmp_path / name)
        assert Cape().function(name) == FunctionRef(name)


def test_17_the_command_line_is_imported_and_runs_no_command(
    service: Running, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("a process was started")

    monkeypatch.setattr("subprocess.Popen.__init__", refuse)
    monkeypatch.setattr("os.system", refuse)
    folder = tmp_path / "echo; touch injected #"
    folder.mkdir()
    (folder / "app.py").write_text("def cape_handler(data): return data\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError):  # what is not a name is refused, and nothing is run
        cli.deploy(folder, **service.settings())
    folder = folder.rename(tmp_path / "echo.; touch injected")
    assert cli.deploy(str(folder), **service.settings()).name == "echo"
    assert cli.token("$(touch injected)", expiry="3600", **service.settings()).raw.count(".") == 2
    assert not list(tmp_path.glob("**/injected"))


def test_18_coroutines_are_run_as_documented(enclave: LocalEnclave) -> None:
    cape = pycape.aio.Cape(enclave=enclave)
    assert asyncio.run(cape.run("local/echo", b"x")) == b"x"
    assert asyncio.run(cape.run("local/echo", Token(JWT), b"y")) == b"y"


def test_19_the_key_of_a_user_is_fetched_over_wss(tls_enclave: LocalEnclave) -> None:
    settings: Any = {"attestation_root": tls_enclave.attestation_root, "policy": "any"}
    with pytest.raises(pycape.TLSError):
        Cape(tls_enclave.url, **settings).key(username="local")
    assert Cape(tls_enclave.url, tls_ca=tls_enclave.tls_ca, **settings).key(username="local")


def test_19_a_username_is_no_path_of_a_url(
    service: Running, clean_environment: pathlib.Path
) -> None:
    for user in ("../user/ada", "ada/key?", "..", "a b"):
        with pytest.raises(pycape.CapeError):
            Cape(**service.settings()).key(username=user)
    assert [path for path in clean_environment.rglob("*") if path.is_file()] == []


def test_19_fetching_a_key_has_an_end() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"ws://127.0.0.1:{silent.getsockname()[1]}"
        started = time.monotonic()
        with pytest.raises(pycape.CapeTimeoutError):
            Cape(url, policy="any", timeout=0.2).key(username="ada")
        assert time.monotonic() - started < 5


def test_19_what_is_no_key_is_an_error_of_the_protocol() -> None:
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
    with listening(reply) as (address, _):
        with pytest.raises(RuntimeError) as caught:
            Cape(f"ws://{address}", policy="any").key(username="ada")
    assert isinstance(caught.value, pycape.ProtocolError)


def test_19_a_key_path_without_a_file_is_filled(service: Running, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "key"
    assert Cape(**service.settings()).key(key_path=path) == path.read_bytes()


def test_20_an_unknown_measurement_is_a_policy_error(enclave: LocalEnclave) -> None:
    with pytest.raises(pycape.PolicyError) as caught:
        Cape(enclave=enclave, policy={"pcrs": {"31": "11" * 48}}).connect("local/echo")
    assert caught.value.reason == "policy.pcr_missing"
    with pytest.raises(pycape.PolicyError):
        Cape(enclave=enclave).connect("local/echo", pcrs={"31": ["11" * 48]})


def test_20_a_refused_enclave_leaves_nothing_open(enclave: LocalEnclave) -> None:
    enclave.set_faults("expired_leaf")
    open_before, files_before = handles(), descriptors()
    for _ in range(5):
        with pytest.raises(pycape.AttestationError):
            Cape(enclave=enclave).connect("local/echo")
    assert handles() == open_before
    deadline = time.monotonic() + 10
    while descriptors() > files_before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert descriptors() <= files_before


@pytest.mark.parametrize("name", ["CAPE_LOCAL_AUTH_FILE_NAME", "CAPE_LOCAL_AUTH_FILENAME"])
def test_22_the_variables_of_the_command_line_and_of_pycape_both_count(
    service: Running, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("CAPE_LOCAL_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv(name, "login")
    cape = Cape(**service.settings() | {"access_token": None})
    with pytest.raises(pycape.AuthError):
        cape.list()
    (tmp_path / "login").write_text(json.dumps({"access_token": service.token}))
    assert isinstance(cape.list(), list)


@dataclasses.dataclass
class Hook:
    """A hook with something inside that must not be copied."""

    lock: Any

    def __call__(self, value: Any) -> Any:
        return value


def test_28_hooks_are_handed_out_as_they_are() -> None:
    encoder, decoder = Hook(threading.Lock()), Hook(threading.Lock())
    bundle = serdio.SerdeHookBundle(encoder, decoder)
    assert bundle.unbundle()[0] is encoder and bundle.unbundle()[1] is decoder
    assert bundle.to_dict()["encoder_hook"] is encoder
    lifter: Any = serdio.lift_io(lambda: None)
    assert (lifter.encoder, lifter.decoder, lifter.hook_bundle) == (None, None, None)


def test_28_no_name_is_closed_to_the_arguments_of_a_function(enclave: LocalEnclave) -> None:
    with Cape(enclave=enclave) as cape:
        cape.connect("local/echo")
        assert cape.invoke(1, encoder=2, pcrs=3, token=4, function_token=5, use_serdio=True) == 1
        named = {"encoder": 1, "serde_hooks": 2, "use_serdio": 3, "pcrs": 4}
        assert cape.invoke(pycape.Arguments(0, **named), use_serdio=True) == 0
        assert cape.run("local/echo", pycape.Arguments(0, **named), use_serdio=True) == 0
        for taken in (1, 4):
            args, kwargs = serdio.deserialize(
                pycape.call.Call((pycape.Arguments(taken, **named),), {}, None, True).input,
                as_signature=True,
            )
            assert (args, kwargs) == ((taken,), named)


def test_importing_loads_neither_serdio_nor_a_library(python: Callable[..., str]) -> None:
    program = """
        import sys
        before = set(sys.modules)
        import pycape
        pycape.Cape()
        heavy = {"serdio", "msgpack", "asyncio", "logging", "inspect", "dataclasses", "subprocess",
                 "hashlib", "urllib", "ssl", "http", "tempfile", "pytest", "tqdm", "datetime", "platform"}
        print(sorted(heavy & (set(sys.modules) - before)), "libcape" in open("/proc/self/maps").read())
    """
    assert python(program) == "[] False"

