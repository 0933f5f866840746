"""The pages of the documentation: every block of code in them runs, in the order of the page."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
from typing import Iterator, NamedTuple

import pytest

from conftest import ROOT, Running

DOCS = ROOT / "bindings" / "python" / "docs"
PAGES = sorted(path.name for path in DOCS.glob("*.md"))

# What Sphinx does with a block that shows no code.
DIRECTIVES = {"{toctree}", "{eval-rst}"}

# Blocks that another test runs, by the page and how they begin.
ELSEWHERE = {("index.md", "pip install"): ROOT / "tests" / "wheel" / "wheel_test.go"}

FENCE = re.compile(r"^(`{3,})([^`\n]*)\n(.*?)^\1$", re.M | re.S)
CAPTION = re.compile(r":caption: (\S+)\n+")


class Block(NamedTuple):
    kind: str  # python, sh, text (what the block before it prints), or file
    line: int
    text: str
    name: str = ""  # of a file


# Runs the blocks of a page, in one process and one folder.
DRIVER = r"""
import contextlib, io, json, pathlib, re, subprocess, sys

page, namespace, printed = sys.argv[1], {"__name__": "__main__"}, None
for kind, line, text, name in json.load(sys.stdin):
    where = f"{page}:{line}"
    if kind == "text":
        assert printed is not None, f"{where}: nothing before it prints"
        pattern = ".*".join(map(re.escape, text.split("...")))
        assert re.fullmatch(pattern, printed, re.S), f"{where}: it prints {printed!r}"
        printed = None
        continue
    assert not printed, f"{where}: what the block before it prints is not shown: {printed!r}"
    if kind == "file":
        pathlib.Path(name).parent.mkdir(parents=True, exist_ok=True)
        pathlib.Path(name).write_text(text)
        printed = None
    elif kind == "sh":
        done = subprocess.run(["sh", "-e", "-c", text], capture_output=True, text=True)
        assert done.returncode == 0, f"{where}: {done.stdout}{done.stderr}"
        printed = re.sub(r" *\[100%\]", "", done.stdout)
    else:
        with contextlib.redirect_stdout(io.StringIO()) as output:
            exec(compile("\n" * line + text, page, "exec"), namespace)
        printed = output.getvalue()
assert not printed, f"{page}: what the last block prints is not shown: {printed!r}"
"""


def blocks(page: str) -> Iterator[Block]:
    text = (DOCS / page).read_text()
    for found in FENCE.finditer(text):
        language, body = found[2].strip(), found[3]
        line = text.count("\n", 0, found.start()) + 1
        kind, _, _ = language.partition(" ")
        if kind in DIRECTIVES or any(
            page == where and body.startswith(first) for where, first in ELSEWHERE
        ):
            continue
        if kind == "{code-block}":
            caption = CAPTION.match(body)
            assert caption, f"{page}:{line}: a code-block has the name of a file as its caption"
            yield Block("file", line, body[caption.end() :], caption[1])
        else:
            assert language in ("python", "sh", "text"), f"{page}:{line}: nothing runs {language!r}"
            yield Block(language, line, body)


@pytest.fixture
def surroundings(service: Running, tmp_path: pathlib.Path) -> dict[str, str]:
    """The environment of a page: who reads it has logged in, and has the command line."""
    login = tmp_path / "home" / ".config" / "cape" / "auth"
    login.parent.mkdir(parents=True)
    login.write_text(json.dumps({"access_token": service.token}))
    tools = [os.path.dirname(sys.executable), str(ROOT / "build"), os.environ["PATH"]]
    return {
        **os.environ,
        "PATH": os.pathsep.join(tools),
        "CAPE_ENCLAVE_HOST": service.url,
        "CAPE_ATTESTATION_ROOT": service.root,
    }


@pytest.mark.parametrize("page", PAGES)
def test_the_blocks_of_a_page_run(
    page: str, surroundings: dict[str, str], service: Running, tmp_path: pathlib.Path
) -> None:
    found = list(blocks(page))
    if not found:
        assert page in ("reference.md", "troubleshooting.md"), "a page without a single block"
        return
    text = json.dumps(found)
    for example, real in {
        "wss://enclave.example.com": service.url,
        "1f0c...": service.pcrs["0"],
        "your token": service.token,
    }.items():
        text = text.replace(example, real)
    folder = tmp_path / "work"
    folder.mkdir()
    if page == "index.md":
        shout(service, found, folder)
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", DRIVER, page],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=surroundings,
        cwd=folder,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(text, timeout=60)
    finally:
        with contextlib.suppress(ProcessLookupError):  # of what the page started and did not end
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert process.returncode == 0, output


def shout(service: Running, found: list[Block], folder: pathlib.Path) -> None:
    """Deploys the function of which the first page says that ada has it."""
    import pycape

    source = next(block.text for block in found if block.name == "shout/app.py")
    (folder / "shout").mkdir()
    (folder / "shout" / "app.py").write_text(source)
    pycape.Cape(**service.settings()).deploy(folder / "shout")


def test_what_is_run_elsewhere_is_run_there() -> None:
    for (page, first), test in ELSEWHERE.items():
        assert f'block(t, "{page}", "{first}")' in test.read_text()
        assert sum(found[3].startswith(first) for found in FENCE.finditer((DOCS / page).read_text())) == 1


def reasons(text: str, column: int) -> list[str]:
    """The reasons that stand in a column of the tables of a page."""
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| ")]
    cells = [row[column] for row in rows if len(row) > column]
    return [reason for cell in cells for reason in re.findall(r"`([a-z]+\.[a-z0-9_]+)`", cell)]


def test_every_reason_has_its_remedy() -> None:
    readme = (ROOT / "README.md").read_text()
    table = readme[readme.index("| code | reasons |") : readme.index("`not_sent` means")]
    known = {*reasons(table, 1), "library.load", "library.version"}
    told = reasons((DOCS / "troubleshooting.md").read_text(), 0)
    assert len(told) == len(set(told)), "a reason stands there twice"
    assert set(told) == known
