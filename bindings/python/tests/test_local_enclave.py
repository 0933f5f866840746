"""The local enclave as an object."""

from __future__ import annotations

import os
import pathlib
import re
import sys
import threading
import typing
from typing import Any

import pytest

import pycape
from conftest import FUNCTIONS, handles
from pycape import Cape, LocalEnclave, _ffi


def test_it_tells_what_a_client_needs_to_know(enclave: LocalEnclave) -> None:
    assert re.fullmatch(r"ws://127\.0\.0\.1:\d+", enclave.url)
    assert enclave.attestation_root.startswith("-----BEGIN CERTIFICATE-----")
    assert enclave.tls_ca is None
    assert [f["name"] for f in enclave.functions] == [
        "local/echo",
        "local/pythagorean",
        "local/mischief",
    ]
    for function in enclave.functions:
        assert re.fullmatch(r"[2-9A-HJ-NP-Za-km-z]{22}", function["id"])
        assert re.fullmatch(r"[0-9a-f]{64}", function["checksum"])
    for index in "012":
        assert re.fullmatch(r"[0-9a-f]{96}", enclave.pcrs[index])
        assert set(enclave.pcrs[index]) != {"0"}


def test_it_starts_with_the_block_and_ends_with_it() -> None:
    enclave = LocalEnclave(FUNCTIONS / "echo")
    assert repr(enclave) == "<LocalEnclave not started>"
    with enclave as entered:
        assert entered is enclave
        url = enclave.url
        assert url in repr(enclave)
    assert repr(enclave) == "<LocalEnclave ended>"
    enclave.close()
    with pytest.raises(pycape.ClosedError):
        enclave.url
    with pytest.raises(pycape.ClosedError):
        enclave.__enter__()


def test_it_starts_when_first_asked() -> None:
    enclave = LocalEnclave(FUNCTIONS / "echo")
    try:
        assert Cape(enclave=enclave).run("local/echo", b"x") == b"x"
        assert enclave.url == enclave.url
    finally:
        enclave.close()


def test_each_start_has_a_root_of_its_own() -> None:
    with LocalEnclave(FUNCTIONS / "echo") as one, LocalEnclave(FUNCTIONS / "echo") as two:
        assert one.attestation_root != two.attestation_root
        assert one.functions == two.functions
        with pytest.raises(pycape.AttestationError):
            Cape(enclave=one, attestation_root=two.attestation_root).connect("local/echo")


@pytest.mark.parametrize("form", ["path", "text", "relative"])
def test_folders_are_paths(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FUNCTIONS)
    folder: Any = {"path": FUNCTIONS / "echo", "text": str(FUNCTIONS / "echo"), "relative": "echo"}
    enclave = LocalEnclave(folder[form])
    monkeypatch.chdir("/")
    with enclave:
        assert enclave.functions[0]["name"] == "local/echo"


def test_a_folder_that_is_no_function_is_a_value_error(tmp_path: pathlib.Path) -> None:
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "missing", tmp_path / "empty"):
        with pytest.raises(ValueError, match=folder.name) as caught:
            LocalEnclave(folder).url
        assert isinstance(caught.value, pycape.ArgumentError)


def test_a_python_that_is_not_there_is_a_value_error() -> None:
    with pytest.raises(ValueError):
        LocalEnclave(FUNCTIONS / "echo", python="/no/such/python").url


def test_a_folder_that_is_no_path_is_a_type_error() -> None:
    wrong: Any = 7
    with pytest.raises(TypeError):
        LocalEnclave(wrong)


def test_functions_run_under_the_interpreter_given(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "which"
    folder.mkdir()
    (folder / "app.py").write_text(
        "import sys\ndef cape_handler(data): return sys.executable.encode()\n"
    )
    with LocalEnclave(folder) as enclave:
        assert Cape(enclave=enclave).run("local/which", b"").decode() == os.path.normpath(sys.executable)


def test_what_functions_print_goes_to_the_log(
    functions: list[pathlib.Path], tmp_path: pathlib.Path
) -> None:
    log = tmp_path / "log"
    with LocalEnclave(*functions, log=log) as enclave, Cape(enclave=enclave) as cape:
        cape.connect("local/mischief")
        cape.invoke(b"print")
        with pytest.raises(pycape.FunctionError):
            cape.invoke(b"raise")
    assert "to stdout" in log.read_text()
    assert "LookupError" in log.read_text()


def test_faults_can_be_had_from_the_start_and_ended() -> None:
    with LocalEnclave(FUNCTIONS / "echo", faults=["expired_leaf"]) as enclave:
        with pytest.raises(pycape.AttestationError):
            Cape(enclave=enclave).connect("local/echo")
        enclave.set_faults("replayed_nonce")
        with pytest.raises(pycape.AttestationError) as caught:
            Cape(enclave=enclave).connect("local/echo")
        assert caught.value.reason == "nonce.mismatch"
        enclave.set_faults()
        Cape(enclave=enclave).run("local/echo", b"x")


def test_an_unknown_fault_is_a_value_error_and_changes_nothing() -> None:
    with pytest.raises(ValueError, match="no_such_fault"):
        LocalEnclave(faults=["no_such_fault"]).url
    with LocalEnclave(FUNCTIONS / "echo", faults=["expired_leaf"]) as enclave:
        with pytest.raises(ValueError, match="no_such_fault"):
            enclave.set_faults("no_such_fault")
        with pytest.raises(pycape.AttestationError):
            Cape(enclave=enclave).connect("local/echo")


def test_it_can_be_closed_while_it_starts_as_by_a_signal_handler(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    enclave, start = LocalEnclave(FUNCTIONS / "echo"), _ffi.start_enclave
    before = handles()

    def interrupted(options: dict[str, Any]) -> Any:
        started = start(options)
        enclave.close()
        return started

    monkeypatch.setattr(_ffi, "start_enclave", interrupted)
    closed: list[Any] = []

    def begin() -> None:
        with pytest.raises(pycape.ClosedError):
            enclave.url
        closed.append(enclave.closed)

    thread = threading.Thread(target=begin, daemon=True)
    thread.start()
    thread.join(10)
    assert closed == [True]
    assert handles() == before


def test_type_checkers_know_what_a_block_gives() -> None:
    from pycape.testing import FaultyEnclave

    for kind in (FaultyEnclave, pycape.Cape):
        given = typing.get_type_hints(kind.__enter__)
        assert isinstance(given["return"], typing.TypeVar) and given["self"] is given["return"]
