"""Results that somebody on the way has changed."""

from __future__ import annotations

import base64
import contextlib
import re
import socket
import threading
from typing import Any, Callable, Iterator
from urllib.parse import urlsplit

import pytest

import pycape
from pycape import Cape, LocalEnclave

HONEST, FORGED = b"honest!", b"forged!"


class Forger:
    """Passes on what a client and an enclave say, and changes the replies of the enclave. They are
    not masked, and nothing but their length has to stay."""

    def __init__(self, enclave: LocalEnclave) -> None:
        address = urlsplit(enclave.url)
        self._enclave = (address.hostname or "", address.port or 0)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._serve, daemon=True)]
        self.url = f"ws://127.0.0.1:{self._listener.getsockname()[1]}"
        self.change: Callable[[bytes], bytes] = bytes
        self._threads[0].start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(30)

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client = self._listener.accept()[0]
                server = socket.create_connection(self._enclave)
                for ends in ((client, server, bytes), (server, client, self._changed)):
                    self._threads.append(threading.Thread(target=self._pass, args=ends, daemon=True))
                    self._threads[-1].start()

    def _changed(self, data: bytes) -> bytes:
        changed = self.change(data)
        assert len(changed) == len(data)
        return changed

    @staticmethod
    def _pass(source: socket.socket, sink: socket.socket, change: Callable[[bytes], bytes]) -> None:
        with source, contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                sink.sendall(change(data))
            sink.shutdown(socket.SHUT_WR)


@pytest.fixture
def forger(enclave: LocalEnclave) -> Iterator[Forger]:
    forger = Forger(enclave)
    yield forger
    forger.close()


def connected(forger: Forger, enclave: LocalEnclave, **settings: Any) -> Cape:
    cape = Cape(forger.url, attestation_root=enclave.attestation_root, policy="any", **settings)
    cape.connect("local/echo")
    return cape


def substituted(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    return lambda data: data.replace(old, new)


@pytest.mark.parametrize(
    "change",
    [
        substituted(base64.b64encode(HONEST), base64.b64encode(FORGED)),
        substituted(b'"signed_checksums"', b'"signed_checksumz"'),
        substituted(b'"checksums"', b'"checksumz"'),
        lambda data: re.sub(rb'("signed_checksums":")....', rb"\1AAAA", data),
    ],
    ids=["another result", "no signature", "no checksums", "another signature"],
)
def test_2_a_forged_result_is_refused(
    forger: Forger, enclave: LocalEnclave, change: Callable[[bytes], bytes]
) -> None:
    with connected(forger, enclave, signed_results=True) as cape:
        assert cape.invoke(HONEST) == HONEST
        forger.change = change
        with pytest.raises(pycape.AttestationError) as caught:
            cape.invoke(HONEST)
        assert caught.value.reason == "signature.result"
        forger.change = bytes
        with pytest.raises(pycape.ClosedError):
            cape.invoke(HONEST)


def test_6_a_result_of_another_input_is_refused(forger: Forger, enclave: LocalEnclave) -> None:
    replies: list[bytes] = []

    def replay(data: bytes) -> bytes:
        replies.append(data)
        return replies[0]

    with connected(forger, enclave, signed_results=True) as cape:
        forger.change = replay
        assert cape.invoke(HONEST) == HONEST
        with pytest.raises(pycape.AttestationError) as caught:
            cape.invoke(FORGED)
        assert caught.value.reason == "signature.result"


def test_without_signatures_a_forged_result_is_taken_for_a_true_one(
    forger: Forger, enclave: LocalEnclave
) -> None:
    """Which is why they exist, and shows that what is refused above was forged."""
    with connected(forger, enclave) as cape:
        forger.change = substituted(base64.b64encode(HONEST), base64.b64encode(FORGED))
        assert cape.invoke(HONEST) == FORGED
