"""Progress of large inputs and deploys."""

from __future__ import annotations

import asyncio
import logging
import os
import pathlib
import sys
import types
from typing import Any

import pytest

import pycape
import pycape.aio
from conftest import FUNCTIONS, Running, handles
from pycape import Cape, LocalEnclave, Progress

LARGE = bytes(6 << 20)


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    """A function of more than 4 MiB."""
    folder = tmp_path / "large"
    folder.mkdir()
    (folder / "app.py").write_text("def cape_handler(data): return data\n")
    (folder / "model").write_bytes(os.urandom(6 << 20))
    return folder


def check(seen: list[Progress]) -> None:
    assert seen and all(type(each) is Progress for each in seen)
    assert seen == sorted(seen)
    assert len(set(seen)) == len(seen)
    assert seen[-1].sent == seen[-1].to_send >= 6 << 20


def test_a_function_is_told_of_a_large_input(client: Any, enclave: LocalEnclave) -> None:
    seen: list[Progress] = []
    cape = client(enclave=enclave, progress=seen.append)
    assert cape.run("local/echo", LARGE) == LARGE
    check(seen)
    assert seen[-1].received > len(LARGE)


def test_small_inputs_are_not_told_of(client: Any, enclave: LocalEnclave) -> None:
    seen: list[Progress] = []
    cape = client(enclave=enclave, progress=seen.append)
    assert cape.run("local/echo", LARGE[: 3 << 20]) == LARGE[: 3 << 20]
    assert seen == []


def test_a_function_is_told_of_a_deploy(client: Any, service: Running, folder: Any) -> None:
    seen: list[Progress] = []
    client(**service.settings(), progress=seen.append).deploy(folder)
    check(seen)
    client(**service.settings()).deploy(FUNCTIONS / "echo", progress=lambda now: seen.clear())
    assert seen
    more: list[Progress] = []
    client(**service.settings(), progress=seen.append).deploy(folder, progress=more.append)
    check(more)


class Bar:
    """What tqdm has."""

    made: list[Any] = []

    def __init__(self, **settings: Any) -> None:
        self.settings, self.n, self.total, self.closed = settings, 0, None, False
        self.made.append(self)

    def update(self, count: int) -> None:
        self.n += count

    def close(self) -> None:
        self.closed = True


def test_true_shows_a_bar_of_tqdm(
    client: Any, enclave: LocalEnclave, monkeypatch: pytest.MonkeyPatch
) -> None:
    module: Any = types.ModuleType("tqdm")
    module.tqdm = Bar
    monkeypatch.setitem(sys.modules, "tqdm", module)
    monkeypatch.setattr(Bar, "made", [])
    client(enclave=enclave, progress=True).run("local/echo", LARGE)
    [bar] = Bar.made
    assert bar.n == bar.total > len(LARGE)
    assert (bar.closed, bar.settings["unit"]) == (True, "B")
    enclave.set_faults("invoke_dropped")
    with pytest.raises(pycape.ClosedError):
        client(enclave=enclave, progress=True).run("local/echo", LARGE)
    assert Bar.made[1].closed


def test_without_tqdm_the_log_tells(
    enclave: LocalEnclave, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "tqdm", None)
    caplog.set_level(logging.INFO, "pycape")
    Cape(enclave=enclave, progress=True).run("local/echo", LARGE)
    assert "invoke: 100 % of" in caplog.text


def test_what_the_function_raises_ends_the_call(client: Any, enclave: LocalEnclave) -> None:
    def fail(progress: Progress) -> None:
        raise LookupError

    before = handles()["operations"]
    with pytest.raises(LookupError):
        client(enclave=enclave, progress=fail).run("local/echo", LARGE)
    assert handles()["operations"] == before


def test_cancelling_a_large_call_that_is_told_of(enclave: LocalEnclave) -> None:
    enclave.set_faults("no_reply")

    async def main() -> None:
        cape = pycape.aio.Cape(enclave=enclave, progress=lambda progress: None)
        await cape.connect("local/echo")
        before = handles()["operations"]
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(cape.invoke(LARGE), 0.3)
        assert handles()["operations"] == before
        await cape.close()

    asyncio.run(main())


@pytest.mark.parametrize("wrong", ["yes", 1, []])
def test_what_is_no_progress_is_a_type_error(wrong: Any) -> None:
    with pytest.raises(TypeError) as caught:
        Cape(progress=wrong)
    assert isinstance(caught.value, pycape.ArgumentTypeError)
