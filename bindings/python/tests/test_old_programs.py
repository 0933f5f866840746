"""Programs in the manner of each generation of pycape, which run as they are: only the trust root
comes from outside."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
from typing import Callable

import pytest

import pycape
from conftest import FUNCTIONS, Running

PROGRAMS = pathlib.Path(__file__).parent / "programs"

Run = Callable[..., list[str]]


@pytest.fixture
def run(service: Running, clean_environment: pathlib.Path) -> Run:
    """Runs a program with the service's address as its first argument, and gives the lines that it
    printed. There is a login."""
    login = clean_environment / ".config" / "cape" / "auth"
    login.parent.mkdir(parents=True)
    login.write_text(json.dumps({"access_token": service.token, "token_type": "Bearer"}) + "\n")

    def run(program: str, *args: str, **environment: str) -> list[str]:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", PROGRAMS / program, service.url, *args],
            env={**os.environ, "CAPE_ATTESTATION_ROOT": service.root, **environment},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.splitlines()

    return run


@pytest.fixture(scope="module")
def functions(service: Running) -> dict[str, pycape.FunctionRef]:
    """The functions that are deployed, by name."""
    ada = pycape.Cape(**service.settings())
    return {name: ada.deploy(FUNCTIONS / name) for name in ("pythagorean", "echo")}


@pytest.fixture(scope="module")
def scoped(service: Running, functions: dict[str, pycape.FunctionRef]) -> dict[str, str]:
    """Tokens for one function each, by its name."""
    ada = pycape.Cape(**service.settings())
    return {name: ada.create_token(function=known).raw for name, known in functions.items()}


def identity(function: pycape.FunctionRef) -> tuple[str, str]:
    assert function.id is not None and function.checksum is not None
    return function.id, function.checksum


def test_the_first_pycape_with_a_login(run: Run, functions: dict[str, pycape.FunctionRef]) -> None:
    printed = run("seed_access_token.py", *identity(functions["pythagorean"]))
    assert printed == ["5.0", "13.0", "17.0", "refused: Exception", "one input of bytes"]


def test_the_first_pycape_with_a_function_token(
    run: Run, functions: dict[str, pycape.FunctionRef], scoped: dict[str, str]
) -> None:
    printed = run("seed_function_token.py", identity(functions["echo"])[0], scoped["echo"])
    assert printed == [
        "b'plain bytes'",
        "b'by name'",
        "Reading(station='north', celsius=-3.5)",
        "Reading(station='south', celsius=4.25)",
        "closed",
    ]


def test_pycape_1(
    run: Run, service: Running, functions: dict[str, pycape.FunctionRef], scoped: dict[str, str]
) -> None:
    tokens = scoped["pythagorean"], service.token
    printed = run("pycape_1.py", *identity(functions["pythagorean"]), *tokens)
    assert printed == ["5.0", "5.0", "13.0", "17.0"]


def test_pycape_2(
    run: Run, functions: dict[str, pycape.FunctionRef], scoped: dict[str, str]
) -> None:
    function, checksum = identity(functions["pythagorean"])
    printed = run("pycape_2.py", function, scoped["pythagorean"], checksum)
    assert printed == ["5.0", "13.0", "17.0"]


def test_pycape_3(run: Run, service: Running, tmp_path: pathlib.Path) -> None:
    token = tmp_path / "a.token"
    token.write_text(service.token + "\n")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    arguments = [str(token), json.dumps(service.pcrs), str(FUNCTIONS / "echo"), str(scratch)]
    printed = run("pycape_3.py", *arguments, CAPE_ENCLAVE_HOST=service.url)
    assert printed == [
        "Token True",
        "ada/echo ada echo 22 64",
        *["b'run'"] * 4,
        "first [2, (3.5,)]",
        "b'connected'",
        "b'cape:' b'for ada alone'",
        "b'by key' b'by path'",
        "b'untagged'",
        "b\"a friend's\"",
        "done",
    ]
