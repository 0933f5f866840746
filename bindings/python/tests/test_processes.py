"""Clients in the processes of multiprocessing, however those are started."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import sys
import threading
import time
import urllib.request

import pytest

import pycape
from conftest import FUNCTIONS, Running

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


BEFORE_LOADING = """
import multiprocessing, sys, warnings
import pycape

cape = pycape.Cape(*sys.argv[2:4], attestation_root=sys.argv[4], policy="any")

def call(number):
    return cape.test(sys.argv[5], str(number).encode())

if __name__ == "__main__":
    with multiprocessing.get_context(sys.argv[1]).Pool(2) as pool:
        print(pool.map(call, range(3)))
    print(call(3))
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_client_works_in_children_that_are_made_before_its_first_call(
    tmp_path: pathlib.Path, service: Running, method: str
) -> None:
    path = tmp_path / "program.py"
    path.write_text(BEFORE_LOADING)
    done = subprocess.run(
        [sys.executable, path, method, service.url, service.token, service.root, FUNCTIONS / "echo"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.stdout, done.stderr) == ("[b'0', b'1', b'2']\nb'3'\n", "")


APPLICATION = """
import os
import pycape

cape = pycape.Cape(os.environ["SERVICE"], policy="any")

def application(environ, start_response):
    data = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    result = cape.run("ada/prefork", data)
    start_response("200 OK", [("X-Process", str(os.getpid()))])
    return [result]
"""


def test_a_server_that_forks_its_workers(
    tmp_path: pathlib.Path, service: Running, clean_environment: pathlib.Path
) -> None:
    """The client is made once, before the workers are."""
    pytest.importorskip("gunicorn", reason="needs gunicorn, which is not installed")
    pycape.Cape(**service.settings()).deploy(FUNCTIONS / "echo", name="prefork")
    login = clean_environment / ".config" / "cape" / "auth"
    login.parent.mkdir(parents=True)
    login.write_text(json.dumps({"access_token": service.token}))
    (tmp_path / "web.py").write_text(APPLICATION)
    options = ["--preload", "--workers", "2", "--bind", "127.0.0.1:0", "--no-control-socket"]
    with subprocess.Popen(
        [sys.executable, "-m", "gunicorn", *options, "web:application"],
        cwd=tmp_path,
        env={**os.environ, "SERVICE": service.url, "CAPE_ATTESTATION_ROOT": service.root},
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        watchdog = threading.Timer(90, server.kill)
        watchdog.start()
        try:
            assert server.stderr is not None
            lines: list[str] = []
            while not (found := re.search(r"Listening at: (http://\S+)", "".join(lines))):
                line = server.stderr.readline()
                assert line, "".join(lines)
                lines.append(line)
            workers: set[str] = set()
            deadline = time.monotonic() + 30
            while len(workers) < 2 and time.monotonic() < deadline:
                with urllib.request.urlopen(found[1], data=b"x", timeout=30) as answer:
                    assert answer.read() == b"x"
                    workers.add(answer.headers["X-Process"])
            assert len(workers) == 2
            assert str(server.pid) not in workers
        finally:
            server.terminate()
            server.wait(60)
            watchdog.cancel()
