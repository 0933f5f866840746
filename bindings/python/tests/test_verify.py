"""Judging a document that the caller has. The documents are tests/vectors/attest; that each gets
its verdict in this language too is for tests/verify."""

from __future__ import annotations

import datetime
import json
import os
import pathlib
import time
from typing import Any

import pytest

import pycape
from conftest import VECTORS

ATTEST = VECTORS / "attest"
ROOT = (ATTEST / "root.pem").read_text()
GOOD = (ATTEST / "good.bin").read_bytes()
TAMPERED = GOOD[:-1] + bytes([GOOD[-1] ^ 1])
SIGNED = datetime.datetime(2026, 6, 1, 12, 30, 0, 250_000, datetime.timezone.utc)
NONCE = b"0123456789abcdef"
ENTRY = json.loads((ATTEST / "manifest.json").read_text())[0]
STEPS = ["parse", "signature", "chain", "time", "nonce", "policy"]

PATIENCE = 10.0  # seconds that anything here may take


def verify(document: Any = GOOD, policy: Any = "any", **options: Any) -> dict[str, Any]:
    """Judges a document two seconds after the good one was signed, unless told otherwise."""
    options.setdefault("attestation_root", ROOT)
    if not options.get("at_document_time"):
        options.setdefault("time", SIGNED + datetime.timedelta(seconds=2))
    started = time.monotonic()
    try:
        return pycape.verify(document, policy, **options)
    finally:
        assert time.monotonic() - started < PATIENCE


def refused(
    kind: type[pycape.CapeError], reason: str, *args: Any, **options: Any
) -> dict[str, Any]:
    """The report of a refusal."""
    with pytest.raises(kind) as caught:
        verify(*args, **options)
    error = caught.value
    assert type(error) is kind
    assert (error.reason, error.code) == (reason, kind.code)
    assert isinstance(error, RuntimeError)
    assert error.report is not None
    assert (error.report["verdict"], error.report["reason"]) == ("refused", reason)
    assert error.message == f"{error.report['cause']}: {error.report['remedy']}"
    return error.report


def statuses(report: dict[str, Any]) -> list[str]:
    assert [step["step"] for step in report["steps"]] == STEPS
    return [step["status"] for step in report["steps"]]


# The report.


def test_the_good_document_is_the_one_of_the_manifest() -> None:
    assert (ENTRY["file"], ENTRY["expect"]) == ("good.bin", "accept")
    report = verify(
        policy=ENTRY["policy"],
        nonce=bytes.fromhex(ENTRY["nonce"]),
        public_key_length=ENTRY["public_key_length"],
    )
    assert report["verdict"] == "accepted"


def test_the_report_on_an_accepted_document() -> None:
    report = verify(nonce=NONCE)
    assert report["verdict"] == "accepted"
    assert not {"reason", "cause", "remedy"} & set(report)
    assert statuses(report) == ["ok"] * 6
    assert report["module_id"] == "i-0123456789abcdef0-enc0123456789abcdef"
    assert report["function_checksum"] == "f1" * 32
    assert report["timestamp"] == "2026-06-01T12:30:00.250Z"
    assert report["timestamp_ms"] == int(SIGNED.timestamp() * 1000)
    assert report["verified_at"] == "2026-06-01T12:30:02.250Z"
    assert report["pcrs"]["0"] in ENTRY["policy"]["pcrs"]["0"]
    assert len(report["root_sha256"]) == 64


@pytest.mark.parametrize(
    "document, reason, failed",
    [
        (b"", "parse.empty", "parse"),
        (b"not a document", "cose.structure", "parse"),
        (GOOD[:-1], "cbor.truncated", "parse"),
        (GOOD + b"\0", "cbor.trailing", "parse"),
        (TAMPERED, "signature.invalid", "signature"),
    ],
)
def test_before_signature_and_chain_hold_the_report_has_nothing_of_the_document(
    document: bytes, reason: str, failed: str
) -> None:
    report = refused(pycape.AttestationError, reason, document)
    position = STEPS.index(failed)
    assert statuses(report) == ["ok"] * position + ["failed"] + ["not_reached"] * (5 - position)
    assert report["steps"][position]["reason"] == reason
    assert set(report) == {"verdict", "reason", "cause", "remedy", "steps", "verified_at"}


@pytest.mark.parametrize(
    "kind, reason, options",
    [
        (pycape.AttestationError, "nonce.mismatch", {"nonce": b"another nonce"}),
        (pycape.AttestationError, "time.future", {"time": SIGNED - datetime.timedelta(seconds=6)}),
        (pycape.PolicyError, "policy.pcr_mismatch", {"policy": {"pcrs": {"0": "5a" * 48}}}),
        (pycape.PolicyError, "policy.key_checksum", {"policy": {"key_checksum": "5a" * 32}}),
    ],
)
def test_a_genuine_document_that_is_refused_shows_pcrs_and_timestamp_only(
    kind: type[pycape.CapeError], reason: str, options: dict[str, Any]
) -> None:
    report = refused(kind, reason, **options)
    assert report["pcrs"]["0"] in ENTRY["policy"]["pcrs"]["0"]
    assert report["timestamp_ms"] == int(SIGNED.timestamp() * 1000)
    for name in ("module_id", "function_checksum", "release", "unknown_keys"):
        assert name not in report


def test_without_the_root_the_document_is_not_trusted() -> None:
    report = refused(pycape.AttestationError, "chain.root", attestation_root=None)
    assert "pcrs" not in report


def test_the_root_is_not_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAPE_ATTESTATION_ROOT", str(ATTEST / "root.pem"))
    refused(pycape.AttestationError, "chain.root", attestation_root=None)


# What is asked for.


def test_the_nonce_counts_only_where_it_is_asked_for() -> None:
    assert verify()["steps"][4]["detail"] == "none asked for"
    for nonce in (NONCE, bytearray(NONCE)):
        assert verify(nonce=nonce)["verdict"] == "accepted"
    for wrong in (NONCE[:-1], NONCE + b"\0", b"\0" * 16, b"x"):
        refused(pycape.AttestationError, "nonce.mismatch", nonce=wrong)


def test_validity_is_judged_at_the_time_that_is_asked_for() -> None:
    late, early = (SIGNED + datetime.timedelta(days=days) for days in (3, -3))
    refused(pycape.AttestationError, "chain.expired", time=late)
    refused(pycape.AttestationError, "chain.not_yet_valid", time=early)
    report = refused(pycape.AttestationError, "time.clock_skew", time=late, nonce=NONCE)
    assert report["clock_skew_seconds"] == 3 * 24 * 3600
    elsewhere = datetime.timezone(datetime.timedelta(hours=-7))
    assert verify(time=SIGNED.astimezone(elsewhere))["verified_at"] == "2026-06-01T12:30:00.250Z"


def test_without_a_time_it_is_now() -> None:
    with pytest.raises(pycape.AttestationError) as caught:
        pycape.verify(GOOD, "any", attestation_root=ROOT)
    report = caught.value.report
    assert report is not None
    at = datetime.datetime.fromisoformat(report["verified_at"].replace("Z", "+00:00"))
    assert abs((at - datetime.datetime.now(datetime.timezone.utc)).total_seconds()) < PATIENCE


def test_an_archived_document_is_judged_at_its_own_time() -> None:
    report = verify(at_document_time=True)
    assert report["verdict"] == "accepted"
    assert report["verified_at"] == report["timestamp"]


def test_the_public_key_has_the_length_that_is_asked_for() -> None:
    assert verify(public_key_length=32)["verdict"] == "accepted"
    refused(pycape.AttestationError, "document.public_key_length", public_key_length=31)


@pytest.mark.parametrize("form", ["text", "bytes", "path", "path text"])
def test_the_root_is_pem_or_a_path(form: str) -> None:
    root = {
        "text": ROOT,
        "bytes": ROOT.encode(),
        "path": ATTEST / "root.pem",
        "path text": str(ATTEST / "root.pem"),
    }[form]
    assert verify(attestation_root=root)["verdict"] == "accepted"


@pytest.mark.parametrize("form", ["any", "dict", "int keys", "path", "path text", "file of any"])
def test_the_policy_is_any_a_dict_or_a_path(form: str, tmp_path: pathlib.Path) -> None:
    pinned, open_to_any = tmp_path / "policy.json", tmp_path / "any.json"
    pinned.write_text(json.dumps(ENTRY["policy"]))
    open_to_any.write_text('"any"')
    policy: Any = {
        "any": "any",
        "dict": ENTRY["policy"],
        "int keys": {"pcrs": {0: ENTRY["policy"]["pcrs"]["0"]}},
        "path": pinned,
        "path text": str(pinned),
        "file of any": open_to_any,
    }[form]
    report = verify(policy=policy)
    assert report["verdict"] == "accepted"
    assert (report["steps"][5]["detail"] == "any enclave") == ("any" in form)


def test_a_release_that_matches_is_named() -> None:
    pcrs = {"1": ENTRY["policy"]["pcrs"]["1"]}
    releases = [{"name": "old", "pcrs": {"0": "5a" * 48}}, {"name": "new", "pcrs": pcrs}]
    assert verify(policy={"releases": releases})["release"] == "new"


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_the_document_is_bytes_of_any_kind(kind: Any) -> None:
    assert verify(kind(GOOD))["verdict"] == "accepted"


# What cannot be meant. None of it comes as far as the document.


@pytest.mark.parametrize(
    "argument, value, reason",
    [
        ("document", None, "argument.input"),
        ("document", "a document", "argument.input"),
        ("document", 7, "argument.input"),
        ("document", list(GOOD), "argument.input"),
        ("document", ATTEST / "good.bin", "argument.input"),
        ("policy", 7, "argument.policy"),
        ("policy", b"any", "argument.policy"),
        ("policy", ["any"], "argument.policy"),
        ("policy", True, "argument.policy"),
        ("nonce", NONCE.hex(), "argument.options"),
        ("nonce", 16, "argument.options"),
        ("time", "2026-06-01T12:30:00Z", "argument.options"),
        ("time", 1_780_000_000, "argument.options"),
        ("time", SIGNED.date(), "argument.options"),
        ("attestation_root", 7, "argument.roots"),
        ("attestation_root", [ROOT], "argument.roots"),
    ],
)
def test_an_argument_of_another_type_is_a_type_error(
    argument: str, value: Any, reason: str
) -> None:
    with pytest.raises(TypeError) as caught:
        verify(**{argument: value})
    assert isinstance(caught.value, pycape.ArgumentTypeError)
    assert (caught.value.reason, caught.value.report) == (reason, None)


@pytest.mark.parametrize(
    "options, reason",
    [
        ({"policy": None}, "argument.policy_missing"),
        ({"policy": {}}, "argument.policy_empty"),
        ({"policy": {"pcrs": {}}}, "argument.policy_empty"),
        ({"policy": {"max_age_ms": 1}}, "argument.policy_empty"),
        ({"policy": {"any": False}}, "argument.policy_empty"),
        ({"policy": {"pcrs": {"0": []}}}, "argument.policy"),
        ({"policy": {"pcrs": {"0": ["zz"]}}}, "argument.policy"),
        ({"policy": {"pcrs": {"0": None}}}, "argument.policy"),
        ({"policy": {"PCRs": {"0": ["5a" * 48]}}}, "argument.policy"),
        ({"policy": {"any": True, "pcrs": {"0": ["5a" * 48]}}}, "argument.policy"),
        ({"policy": "/no/such/policy.json"}, "argument.policy"),
        ({"policy": "Any"}, "argument.policy"),
        ({"policy": ""}, "argument.policy"),
        ({"nonce": b""}, "argument.options"),
        ({"nonce": bytes(1025)}, "argument.options"),
        ({"public_key_length": -1}, "argument.options"),
        ({"public_key_length": 1 << 16}, "argument.options"),
        ({"time": SIGNED.replace(tzinfo=None)}, "argument.options"),
        ({"time": SIGNED, "at_document_time": True}, "argument.options"),
        ({"at_document_time": "yes"}, "argument.options"),
        ({"attestation_root": ""}, "argument.roots"),
        ({"attestation_root": "/no/such/file"}, "argument.roots"),
        ({"attestation_root": ATTEST}, "argument.roots"),
        ({"attestation_root": ATTEST / "good.bin"}, "argument.roots"),
        ({"attestation_root": ATTEST / "empty.bin"}, "argument.roots"),
        ({"attestation_root": ROOT[: len(ROOT) // 2]}, "argument.roots"),
        ({"attestation_root": ROOT.replace("CERTIFICATE", "PRIVATE KEY")}, "argument.roots"),
    ],
)
def test_a_value_that_cannot_be_meant_is_a_value_error(
    options: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ValueError) as caught:
        verify(**options)
    error = caught.value
    assert isinstance(error, pycape.ArgumentError)
    assert (error.reason, error.code, error.report) == (reason, -1, None)
    assert str(error) and "\n" not in str(error)


def test_a_policy_has_to_be_given() -> None:
    call: Any = pycape.verify
    with pytest.raises(TypeError, match="policy"):
        call(GOOD)
    with pytest.raises(TypeError, match="positional"):
        call(GOOD, "any", NONCE)


# Hostile input.


def test_much_garbage_is_refused_at_once() -> None:
    for garbage in (bytes(16 << 20), os.urandom(1 << 20) * 16, GOOD + bytes(16 << 20)):
        refused(pycape.AttestationError, "parse.too_large", garbage)


def test_the_same_document_is_judged_anew_each_time() -> None:
    for _ in range(3):
        assert verify()["verdict"] == "accepted"
        refused(pycape.AttestationError, "signature.invalid", TAMPERED)
