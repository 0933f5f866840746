"""Ctrl-C while a call waits."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import Any, Callable

import pytest

import pycape
from conftest import handles
from pycape import Cape, LocalEnclave

PATIENCE = 1.0  # seconds: ten times what is promised


def interrupted(call: Callable[[], Any]) -> float:
    """How many seconds a call goes on after Ctrl-C."""
    pressed: list[float] = []

    def press() -> None:
        pressed.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    key = threading.Timer(0.15, press)
    key.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            call()
        return time.monotonic() - pressed[0]
    finally:
        key.join()


@pytest.mark.parametrize("fault", ["silent_handshake", "silent_start"])
@pytest.mark.parametrize(
    "call",
    [lambda cape: cape.connect("local/echo"), lambda cape: cape.run("local/echo", b"x")],
    ids=["connect", "run"],
)
def test_ctrl_c_ends_a_connect(
    enclave: LocalEnclave, call: Callable[[Cape], Any], fault: str
) -> None:
    enclave.set_faults(fault)
    before = handles()
    assert interrupted(lambda: call(Cape(enclave=enclave))) < PATIENCE
    assert handles() == before


def test_ctrl_c_ends_an_invoke_and_cancels_it(enclave: LocalEnclave) -> None:
    with Cape(enclave=enclave) as cape:
        cape.connect("local/mischief")
        before = handles()
        assert interrupted(lambda: cape.invoke(b"sleep 20")) < PATIENCE
        assert handles() == before
        cape.connect("local/mischief")
        assert cape.invoke(b"next") == b"next"


def test_a_connection_goes_on_after_ctrl_c(enclave: LocalEnclave) -> None:
    """The reply that nobody wants any more is not taken for another's."""
    with Cape(enclave=enclave) as cape:
        cape.connect("local/mischief")
        interrupted(lambda: cape.invoke(b"sleep 0.6"))
        assert cape.invoke(b"next") == b"next"


def test_ctrl_c_ends_a_call_of_the_main_thread_only(enclave: LocalEnclave) -> None:
    with Cape(enclave=enclave) as cape, Cape(enclave=enclave) as other:
        cape.connect("local/mischief")
        other.connect("local/mischief")
        results: list[bytes] = []
        thread = threading.Thread(target=lambda: results.append(other.invoke(b"sleep 0.5")))
        thread.start()
        interrupted(lambda: cape.invoke(b"sleep 20"))
        thread.join(30)
    assert results == [b"sleep 0.5"]


def test_a_signal_handler_runs_while_a_call_waits_and_may_invoke(enclave: LocalEnclave) -> None:
    with Cape(enclave=enclave) as cape, Cape(enclave=enclave) as other:
        cape.connect("local/mischief")
        other.connect("local/echo")
        results: list[bytes] = []
        previous = signal.signal(signal.SIGUSR1, lambda *_: results.append(other.invoke(b"in it")))
        key = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGUSR1))
        try:
            key.start()
            assert cape.invoke(b"sleep 0.6") == b"sleep 0.6"
        finally:
            key.join()
            signal.signal(signal.SIGUSR1, previous)
    assert results == [b"in it"]


def test_a_call_that_takes_many_slices_ends_well(enclave: LocalEnclave) -> None:
    with Cape(enclave=enclave, timeout=10) as cape:
        cape.connect("local/mischief")
        assert cape.invoke(b"sleep 0.3") == b"sleep 0.3"


def test_a_deadline_is_kept_across_slices(enclave: LocalEnclave) -> None:
    with Cape(enclave=enclave, timeout=0.4) as cape:
        cape.connect("local/mischief")
        start = time.monotonic()
        with pytest.raises(pycape.CapeTimeoutError) as caught:
            cape.invoke(b"sleep 20")
        assert caught.value.reason == "timeout.outcome_unknown"
        assert 0.35 < time.monotonic() - start < 4
