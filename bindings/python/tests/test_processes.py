"""Clients in the processes of multiprocessing, however those are started."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest

from conftest import FUNCTIONS

PROGRAM = """
import multiprocessing, sys, warnings
import pycape

def call(url, root):
    try:
        cape = pycape.Cape(url, attestation_root=root, policy="any", timeout=30)
        return cape.run("local/echo", b"from a child")
    except pycape.ForkedError:
        return "forked"

if __name__ == "__main__":
    # Python 3.12 on warns of a fork beside the threads of the library.
    warnings.simplefilter("ignore", DeprecationWarning)
    method, folder = sys.argv[1:]
    with pycape.LocalEnclave(folder) as enclave:
        there = enclave.url, enclave.attestation_root
        assert call(*there) == b"from a child"
        with multiprocessing.get_context(method).Pool(2) as pool:
            print(set(pool.starmap(call, [there] * 6)))
        assert call(*there) == b"from a child"
"""


@pytest.mark.parametrize(
    "method, said",
    [("fork", "'forked'"), ("spawn", "b'from a child'"), ("forkserver", "b'from a child'")],
)
def test_children_of_multiprocessing(tmp_path: pathlib.Path, method: str, said: str) -> None:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, path, method, FUNCTIONS / "echo"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.stdout.strip(), done.stderr, done.returncode) == (f"{{{said}}}", "", 0)
