"""The fixture ``cape_enclave`` for pytest; :mod:`pycape.testing` tells how to use it."""

from __future__ import annotations

import os
import pathlib
from typing import TYPE_CHECKING, Iterator

import pytest

if TYPE_CHECKING:
    from pycape.testing import FaultyEnclave

_MARKER, _FIXTURE = "cape_functions", "cape_enclave"
_NO_FUNCTION = (
    "cape_enclave serves no function to this test: name folders with "
    "@pytest.mark.cape_functions(...), or with the setting cape_functions"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini(_MARKER, "function folders that cape_enclave serves to every test", "paths", [])


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        f"{_MARKER}(*folders): function folders that cape_enclave serves to this test; "
        "relative ones are beside the file of the test",
    )


@pytest.fixture(scope="session")
def _cape_enclaves() -> Iterator[dict[tuple[str, ...], FaultyEnclave]]:
    """The enclaves that run, by their folders."""
    enclaves: dict[tuple[str, ...], FaultyEnclave] = {}
    yield enclaves
    for enclave in enclaves.values():
        enclave.close()


@pytest.fixture
def cape_enclave(
    request: pytest.FixtureRequest, _cape_enclaves: dict[tuple[str, ...], FaultyEnclave]
) -> Iterator[FaultyEnclave]:
    """A local enclave with the functions that the marker cape_functions names, which misbehaves
    when told to by fail(), until the end of the test."""
    folders = _folders(request)
    if not folders:
        # Shown where the test fails: the enclave can only say that the function is unknown.
        request.node.add_report_section("setup", _FIXTURE, _NO_FUNCTION)
    enclave = _cape_enclaves.get(folders)
    if enclave is None or enclave.closed:
        from pycape.testing import FaultyEnclave

        enclave = FaultyEnclave(*folders)
        enclave.__enter__()
        _cape_enclaves[folders] = enclave
    yield enclave
    if not enclave.closed:
        enclave.recover()


def _folders(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """All that are named for a test, without those that are named twice."""
    folders = [pathlib.Path(folder) for folder in request.config.getini(_MARKER)]
    for marker in request.node.iter_markers(_MARKER):
        for folder in marker.args:
            if not isinstance(folder, (str, os.PathLike)):
                raise pytest.UsageError(
                    f"{_MARKER} takes folders, each as an argument of its own, "
                    f"and not {type(folder).__name__}"
                )
            folders.append(request.path.parent / folder)
    return tuple(sorted({str(folder.resolve()) for folder in folders}))
