"""Servers that misbehave: each fault is a clear error of its class, within the deadline."""

from __future__ import annotations

import base64
import hashlib
import json
import pathlib
import re
import socket
import threading
import time
from typing import Any, Callable, Iterator

import pytest

import pycape
from conftest import ROOT, VECTORS
from pycape import Cape, LocalEnclave, errors

DEADLINE = 0.5  # seconds given to a call that has to run into it
PATIENCE = 5.0  # seconds that such a call may take, all told

# What each fault is, the same for every language.
ROWS = [
    (row["at"], row["fault"], errors._BY_CODE[row["code"]], row["reason"])
    for row in json.loads((VECTORS / "faults" / "faults.json").read_text())["faults"]
]
AT_CONNECT = [row[1:] for row in ROWS if row[0] == "connect"]
AT_INVOKE = [row[1:] for row in ROWS if row[0] == "invoke"]
GOES_ON = {"reply_error"}


def check(error: pycape.CapeError, started: float, reason: str) -> None:
    assert error.reason == reason
    assert time.monotonic() - started < PATIENCE
    text = str(error)
    assert text and "\n" not in text and not text.endswith(".")


def checksum(enclave: LocalEnclave) -> str:
    [found] = [f["checksum"] for f in enclave.functions if f["name"] == "local/echo"]
    return found


def test_every_fault_of_the_enclave_has_a_row() -> None:
    rows = {row[0] for row in AT_CONNECT + AT_INVOKE} | {"idle_dropped"}
    source = (ROOT / "core" / "enclave" / "fault.go").read_text()
    assert rows == set(re.findall(r'Fault = "(\w+)"', source))


@pytest.mark.parametrize("fault, kind, reason", AT_CONNECT)
def test_a_fault_at_connect(
    enclave: LocalEnclave, fault: str, kind: type[pycape.CapeError], reason: str
) -> None:
    examined = issubclass(kind, (pycape.AttestationError, pycape.PolicyError))
    timeout = DEADLINE if kind is pycape.CapeTimeoutError else None
    enclave.set_faults(fault)
    policy = {"pcrs": {"0": enclave.pcrs["0"]}, "function_checksum": checksum(enclave)}
    cape = Cape(enclave=enclave, policy=policy, timeout=timeout)
    started = time.monotonic()
    with pytest.raises(kind) as caught:
        cape.connect("local/echo")
    check(caught.value, started, reason)
    assert isinstance(caught.value, RuntimeError)
    if examined:
        assert caught.value.report is not None
        assert caught.value.report["verdict"] == "refused"
        assert caught.value.report["reason"] == reason
    else:
        assert caught.value.report is None
    with pytest.raises(pycape.ClosedError):
        cape.invoke(b"x")
    enclave.set_faults()
    assert Cape(enclave=enclave, policy=policy).run("local/echo", b"x") == b"x"


@pytest.mark.parametrize("fault, kind, reason", AT_INVOKE)
def test_a_fault_at_invoke(
    enclave: LocalEnclave, fault: str, kind: type[pycape.CapeError], reason: str
) -> None:
    timeout = DEADLINE if kind is pycape.CapeTimeoutError else None
    with Cape(enclave=enclave, timeout=timeout) as cape:
        cape.connect("local/echo")
        enclave.set_faults(fault)
        started = time.monotonic()
        with pytest.raises(kind) as caught:
            cape.invoke(b"x")
        check(caught.value, started, reason)
        enclave.set_faults()
        if fault in GOES_ON:
            assert cape.invoke(b"next") == b"next"
        elif kind is not pycape.CapeTimeoutError:
            with pytest.raises(pycape.ClosedError) as after:
                cape.invoke(b"next")
            assert after.value.reason == "closed.not_sent"
        cape.connect("local/echo")
        assert cape.invoke(b"anew") == b"anew"


def test_a_connection_lost_between_invokes(enclave: LocalEnclave) -> None:
    with Cape(enclave=enclave) as cape:
        enclave.set_faults("idle_dropped")
        cape.connect("local/echo")
        started = time.monotonic()
        with pytest.raises(pycape.ClosedError) as caught:
            cape.invoke(b"x")
        assert caught.value.reason in ("closed.not_sent", "closed.outcome_unknown")
        assert time.monotonic() - started < PATIENCE
        enclave.set_faults()
        cape.connect("local/echo")
        assert cape.invoke(b"x") == b"x"


def test_an_unknown_function_is_a_connect_error(enclave: LocalEnclave) -> None:
    with pytest.raises(pycape.ConnectError, match="no such function") as caught:
        Cape(enclave=enclave).connect("local/nothing")
    assert caught.value.reason == "connect.function"


@pytest.mark.parametrize("name", ["", "../echo", "a b", "local/echo?x=1", "x" * 5000])
def test_a_name_that_is_none_is_refused(enclave: LocalEnclave, name: str) -> None:
    with pytest.raises(pycape.ArgumentError) as caught:
        Cape(enclave=enclave).connect(name)
    assert caught.value.reason == "argument.function"


# Servers that are no enclave.


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[socket.socket], None]], str]]:
    """Runs a server on this machine and gives its URL."""
    listeners: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def start(behave: Callable[[socket.socket], None]) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def run() -> None:
            while True:
                try:
                    peer, _ = listener.accept()
                except OSError:
                    return
                with peer:
                    peer.settimeout(PATIENCE)
                    try:
                        behave(peer)
                    except OSError:
                        pass

        threads.append(threading.Thread(target=run, daemon=True))
        threads[-1].start()
        return f"ws://127.0.0.1:{listener.getsockname()[1]}"

    yield start
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()


def refused(url: str, kind: type[pycape.CapeError], timeout: float | None = None) -> Any:
    started = time.monotonic()
    with pytest.raises(kind) as caught:
        Cape(url, policy="any", timeout=timeout).run("local/echo", b"x")
    assert time.monotonic() - started < PATIENCE
    return caught.value


def read_request(peer: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        received = peer.recv(4096)
        if not received:
            return data
        data += received
    return data


def accept_websocket(peer: socket.socket) -> None:
    request = read_request(peer).decode()
    [key] = [
        line.partition(":")[2].strip()
        for line in request.splitlines()
        if line.lower().startswith("sec-websocket-key:")
    ]
    magic = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3
    accept = base64.b64encode(hashlib.sha1((key + magic).encode()).digest()).decode()
    peer.sendall(
        f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: cape.runtime\r\n\r\n".encode()
    )


def test_no_listener_is_a_connect_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert refused(f"ws://127.0.0.1:{port}", pycape.ConnectError).reason == "connect.refused"


def test_a_server_that_never_answers_is_a_timeout(serve: Any) -> None:
    url = serve(lambda peer: peer.recv(1 << 20) and peer.recv(1))
    error = refused(url, pycape.CapeTimeoutError, DEADLINE)
    assert error.reason == "timeout.connect"
    assert isinstance(error, TimeoutError)


def test_a_server_that_answers_byte_by_byte_is_a_timeout(serve: Any) -> None:
    def drip(peer: socket.socket) -> None:
        for byte in b"HTTP/1.1 101 Switching Protocols\r\n" * 100:
            peer.sendall(bytes((byte,)))
            time.sleep(DEADLINE / 10)

    assert refused(serve(drip), pycape.CapeTimeoutError, DEADLINE).reason == "timeout.connect"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:1/\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 500 " + b"x" * (1 << 20),
    ],
    ids=["hangs up", "not HTTP", "no upgrade", "redirect", "bad upgrade", "endless"],
)
def test_a_server_that_speaks_something_else_is_no_session(serve: Any, answer: bytes) -> None:
    def behave(peer: socket.socket) -> None:
        read_request(peer)
        peer.sendall(answer)

    refused(serve(behave), pycape.CapeError, 2)


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\x81\x05hel",
        b"\x83\x00",
        b"\xc1\x02{}",
        b"\x81\xff\x00\x00\x00\x00",
        b"\x81\x7f\x7f\xff\xff\xff\xff\xff\xff\xff",
        b"\x88\x02\x03\xe8",
        b"\x81\x02\xff\xff",
        b"\x81\x04null",
        b"\x81\x0b" + b'{"a":[[[]]]',
    ],
    ids=lambda frame: frame.hex() or "none",
)
def test_websocket_frames_that_are_no_attestation_are_no_session(serve: Any, frame: bytes) -> None:
    def behave(peer: socket.socket) -> None:
        accept_websocket(peer)
        peer.sendall(frame)

    error = refused(serve(behave), pycape.CapeError, 2)
    assert isinstance(error, RuntimeError)


def test_tokens_are_offered_as_the_second_subprotocol(serve: Any) -> None:
    requests: list[bytes] = []

    def behave(peer: socket.socket) -> None:
        requests.append(read_request(peer))

    url = serve(behave)
    for token, function_token in (("abc", None), ("abc", "def"), (None, None)):
        with pytest.raises(pycape.CapeError):
            cape = Cape(url, token, policy="any", timeout=2)
            cape.connect("user/name", function_token)
    offers = [
        line.partition(b":")[2].strip()
        for request in requests
        for line in request.splitlines()
        if line.lower().startswith(b"sec-websocket-protocol:")
    ]
    assert offers == [b"cape.runtime, abc", b"cape.function, def", b"cape.runtime"]
    assert all(request.startswith(b"GET /v1/run/user/name ") for request in requests)


def test_a_local_enclave_that_is_gone_is_a_connect_error(functions: list[pathlib.Path]) -> None:
    with LocalEnclave(functions[0]) as enclave:
        url, root = enclave.url, enclave.attestation_root
        with Cape(enclave=enclave) as cape:
            cape.connect("local/echo")
            enclave.close()
            with pytest.raises(pycape.ClosedError):
                cape.invoke(b"x")
    with pytest.raises(pycape.ConnectError):
        Cape(url, attestation_root=root, policy="any").connect("local/echo")
    with pytest.raises(pycape.ClosedError):
        Cape(enclave=enclave).connect("local/echo")
