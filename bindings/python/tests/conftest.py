"""Where things are, and the local enclave that tests share."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import pathlib
import signal
import subprocess
import sys
import textwrap
from typing import Any, Callable, Iterator, NamedTuple

import hypothesis
import pytest

import pycape
import pycape.aio
from pycape import LocalEnclave

ROOT = pathlib.Path(__file__).resolve().parents[3]
FUNCTIONS = ROOT / "tests" / "functions"
VECTORS = ROOT / "tests" / "vectors"

# What fails is shown; nothing is kept of it in the folder where the tests are started.
hypothesis.settings.register_profile("here", database=None)
hypothesis.settings.load_profile("here")

# A job in the background is started with SIGINT ignored, and then no Ctrl-C reaches a test or what
# it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

MISCHIEF = r"""
import os, sys, time

def cape_handler(data):
    if data == b"raise":
        raise LookupError("as asked")
    if data == b"exit":
        sys.exit(3)
    if data == b"crash":
        os._exit(3)
    if data == b"print":
        print("to stdout", flush=True)
    if data.startswith(b"sleep "):
        time.sleep(float(data[6:]))
    if b"garbage" in data:
        return b"\x01"
    return data
"""


def handles() -> dict[str, int]:
    """What is open in the library, by kind."""
    return dict(pycape.counters()["handles"])


def descriptors() -> int:
    """How many files this process has open."""
    return len(os.listdir("/proc/self/fd"))


@pytest.fixture
def tried_connects(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The options of the connects that the test tries, all of which fail."""
    tried: list[dict[str, Any]] = []

    def connect(options: dict[str, Any]) -> Any:
        tried.append(options)
        raise pycape.ConnectError("not here")

    monkeypatch.setattr("pycape._ffi.connect", connect)
    return tried


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> pathlib.Path:
    """No test reads the settings or the login of who runs it, or leaves files where it was started.
    Gives the home folder."""
    for name in list(os.environ):
        if name.startswith(("CAPE_", "CAPEDEV_")) and name != "CAPE_LIBRARY":
            monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(tmp_path)  # a name that is taken for a path is one in here
    return home


@pytest.fixture(scope="session")
def functions(tmp_path_factory: pytest.TempPathFactory) -> list[pathlib.Path]:
    """Folders of the functions echo, pythagorean and mischief."""
    folder = tmp_path_factory.mktemp("functions") / "mischief"
    folder.mkdir()
    (folder / "app.py").write_text(MISCHIEF)
    return [FUNCTIONS / "echo", FUNCTIONS / "pythagorean", folder]


@pytest.fixture(scope="session")
def shared_enclave(functions: list[pathlib.Path]) -> Iterator[LocalEnclave]:
    with LocalEnclave(*functions) as enclave:
        yield enclave


@pytest.fixture
def enclave(shared_enclave: LocalEnclave) -> Iterator[LocalEnclave]:
    """A local enclave that behaves well until the test says otherwise."""
    yield shared_enclave
    shared_enclave.set_faults()


class Running(NamedTuple):
    """A service, to which functions can be deployed, in a process of its own."""

    url: str
    root: str  # a path
    token: str
    pcrs: dict[str, str]

    def settings(self) -> dict[str, Any]:
        """What a client of it needs."""
        return {
            "url": self.url,
            "attestation_root": self.root,
            "access_token": self.token,
            "policy": {"pcrs": self.pcrs},
        }


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service in which ada has a token."""
    folder = tmp_path_factory.mktemp("service")
    command = [ROOT / "build" / "cape", "enclave", "--auth", "--user", "ada"]
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            [*command, "--data", folder / "data", "--python", sys.executable],
            stdout=subprocess.PIPE,
            stderr=log,
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, (folder / "log").read_text()
        ready = json.loads(line)
        token = pathlib.Path(ready["token"]).read_text().strip()
        yield Running(ready["url"], ready["attestation_root"], token, ready["pcrs"])
    finally:
        process.terminate()
        process.wait(30)
        if process.stdout is not None:
            process.stdout.close()


class Waiting:
    """A client whose calls, if they are coroutines, are waited for."""

    def __init__(self, cape: Any) -> None:
        self.cape = cape

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.cape, name)
        if not inspect.iscoroutinefunction(value):
            return value
        return lambda *args, **kwargs: asyncio.run(value(*args, **kwargs))


@pytest.fixture(params=[pycape.Cape, pycape.aio.Cape], ids=["blocking", "awaited"])
def client(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Makes clients of either kind."""
    return lambda *args, **settings: Waiting(request.param(*args, **settings))


@pytest.fixture
def python(clean_environment: pathlib.Path) -> Callable[..., str]:
    """Runs a program in a process of its own and gives what it printed."""

    def run(program: str, *args: str, **environment: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(program), *args],
            env={**os.environ, **environment},
            cwd=pathlib.Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stderr == ""
        return done.stdout.strip()

    return run
