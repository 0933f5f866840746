"""What the library counts and logs, and connections that open themselves again."""

from __future__ import annotations

import asyncio
import logging
import re
import threading
from typing import Any, Awaitable, Callable, Union

import pytest

import pycape
import pycape.aio
from conftest import FUNCTIONS, handles
from pycape import Cape, LocalEnclave, monitor


@pytest.fixture
def debug(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG, "pycape")
    return caplog


def test_counters_count(enclave: LocalEnclave) -> None:
    with Cape(enclave=enclave) as cape:
        before = pycape.counters()
        cape.connect("local/echo")
        for _ in range(3):
            cape.invoke(b"x" * 100)
        after = pycape.counters()
    assert after["connects"] == before["connects"] + 1
    assert after["verifications"] == before["verifications"] + 1
    assert after["invokes"] == before["invokes"] + 3
    assert after["bytes_sent"] > before["bytes_sent"] + 300
    assert after["handles"]["connections"] == before["handles"]["connections"] + 1
    assert pycape.counters()["handles"]["operations"] == before["handles"]["operations"]


def test_log_records_are_the_latest_and_never_twice(enclave: LocalEnclave) -> None:
    seen = max((record["number"] for record in pycape.log_records()), default=0)
    assert pycape.log_records(seen) == []
    Cape(enclave=enclave).run("local/echo", b"private")
    records = pycape.log_records(seen)
    assert [record["number"] for record in records] == [*range(seen + 1, seen + 1 + len(records))]
    assert any("was verified" in record["message"] for record in records)
    assert all(record["level"] == "info" and record["time"].endswith("Z") for record in records)
    assert "private" not in str(records)
    assert pycape.log_records(records[-1]["number"]) == []


def test_the_logger_gets_what_the_library_logs_once(
    enclave: LocalEnclave, debug: pytest.LogCaptureFixture
) -> None:
    Cape(enclave=enclave).run("local/echo", b"x")
    debug.clear()
    enclave.set_faults("expired_leaf")
    with pytest.raises(pycape.AttestationError):
        Cape(enclave=enclave).connect("local/echo")
    enclave.set_faults()
    for _ in range(2):
        Cape(enclave=enclave).run("local/echo", b"x")
    messages = [(each.levelname, each.getMessage()) for each in debug.records]
    assert len([m for level, m in messages if level == "WARNING" and "chain.expired" in m]) == 1
    assert len([m for level, m in messages if level == "INFO" and "was verified" in m]) == 2


def test_the_logger_gets_nothing_unless_it_is_set_to_debug(
    enclave: LocalEnclave, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "pycape")
    Cape(enclave=enclave).run("local/echo", b"x")
    assert caplog.records == []


def test_a_logger_that_is_held_up_holds_up_nobody_else(
    enclave: LocalEnclave, debug: pytest.LogCaptureFixture
) -> None:
    assert monitor.forwarding._lock.acquire(timeout=10)
    try:
        results: list[Any] = []
        call = lambda: results.append(Cape(enclave=enclave).run("local/echo", b"x"))  # noqa: E731
        thread = threading.Thread(target=call)
        thread.start()
        thread.join(30)
        assert results == [b"x"]
    finally:
        monitor.forwarding._lock.release()


# Connecting again.

Client = Union[Cape, pycape.aio.Cape]


@pytest.fixture(params=["blocking", "awaited"])
def make(request: pytest.FixtureRequest) -> Callable[..., Client]:
    return Cape if request.param == "blocking" else pycape.aio.Cape


def done(outcome: Any) -> Any:
    async def wait(what: Awaitable[Any]) -> Any:
        return await what

    return asyncio.run(wait(outcome)) if isinstance(outcome, Awaitable) else outcome


def lost(client: Client) -> pycape.CapeError:
    with pytest.raises(pycape.ClosedError) as caught:
        done(client.invoke(b"x"))
    return caught.value


def test_reconnect_opens_another_connection_for_the_next_invoke(make: Callable[..., Client]) -> None:
    with LocalEnclave(FUNCTIONS / "echo") as enclave:
        client = make(enclave=enclave, reconnect=True)
        done(client.connect("local/echo"))
        assert done(client.invoke(b"x")) == b"x"
        before = pycape.counters()["reconnects"]
        enclave.set_faults("invoke_dropped")
        assert lost(client).reason == "closed.outcome_unknown", "it is never sent again"
        enclave.set_faults()
        assert done(client.invoke(b"y")) == b"y"
        assert pycape.counters()["reconnects"] == before + 1
        done(client.close())


def test_without_reconnect_a_lost_connection_stays_lost(make: Callable[..., Client]) -> None:
    with LocalEnclave(FUNCTIONS / "echo") as enclave:
        client = make(enclave=enclave)
        done(client.connect("local/echo"))
        enclave.set_faults("invoke_dropped")
        lost(client)
        enclave.set_faults()
        assert lost(client).reason == "closed.not_sent"
        done(client.close())


def test_reconnect_refuses_an_enclave_that_the_policy_does_not_accept(
    make: Callable[..., Client]
) -> None:
    with LocalEnclave(FUNCTIONS / "echo") as enclave:
        client = make(enclave=enclave, reconnect=True)
        done(client.connect("local/echo"))
        enclave.set_faults("invoke_dropped")
        lost(client)
        enclave.set_faults("zero_pcrs")
        with pytest.raises(pycape.PolicyError) as caught:
            done(client.invoke(b"x"))
        assert caught.value.reason == "policy.debug_mode"
        enclave.set_faults()
        with pytest.raises(pycape.PolicyError):
            done(client.invoke(b"x"))
        done(client.connect("local/echo"))
        assert done(client.invoke(b"x")) == b"x"
        done(client.close())


@pytest.mark.parametrize("after", [2**64, 2**70])
def test_after_a_number_that_no_record_has_there_is_none(after: int) -> None:
    assert pycape.log_records(after) == []
    assert pycape.log_records(-after) == pycape.log_records()


def test_every_count_is_described() -> None:
    told = pycape.counters.__doc__ or ""
    assert set(re.findall("``(\\w+)``", told)) == {*pycape.counters(), *handles()}
