"""Roots, authorities, policies and time-outs: where they come from and what is refused."""

from __future__ import annotations

import json
import logging
import pathlib
import warnings
from typing import Any

import pytest

import pycape
from pycape import Cape, FunctionRef, LocalEnclave


def call(cape: Cape, reference: Any = "local/echo") -> None:
    assert cape.run(reference, b"x") == b"x"


# Attestation roots and TLS authorities.


@pytest.mark.parametrize("form", ["text", "bytes", "path", "path text", "path bytes"])
def test_a_root_is_pem_or_a_path(
    enclave: LocalEnclave, form: str, tmp_path: pathlib.Path
) -> None:
    path = tmp_path / "root.pem"
    path.write_text(enclave.attestation_root)
    root: Any = {
        "text": enclave.attestation_root,
        "bytes": enclave.attestation_root.encode(),
        "path": path,
        "path text": str(path),
        "path bytes": bytes(path),
    }[form]
    call(Cape(enclave.url, attestation_root=root, policy="any"))


def test_without_the_root_a_local_enclave_is_not_trusted(enclave: LocalEnclave) -> None:
    with pytest.raises(pycape.AttestationError) as caught:
        call(Cape(enclave.url, policy="any"))
    assert caught.value.reason == "chain.root"
    assert caught.value.report is not None
    assert caught.value.report["verdict"] == "refused"


def test_wss_needs_the_authority(functions: list[pathlib.Path], tmp_path: pathlib.Path) -> None:
    with LocalEnclave(functions[0], tls=True) as enclave:
        assert enclave.url.startswith("wss://")
        assert enclave.tls_ca is not None
        call(Cape(enclave=enclave))
        path = tmp_path / "ca.pem"
        path.write_text(enclave.tls_ca)
        root = enclave.attestation_root
        call(Cape(enclave.url, attestation_root=root, tls_ca=path, policy="any"))
        call(Cape(enclave.url, attestation_root=root, tls_ca=enclave.tls_ca, policy="any"))
        with pytest.raises(pycape.TLSError) as caught:
            call(Cape(enclave.url, attestation_root=root, policy="any"))
        assert caught.value.reason == "tls.unknown_authority"


@pytest.mark.parametrize("name", ["attestation_root", "tls_ca"])
@pytest.mark.parametrize("source", ["/no/such/file", pathlib.Path("/no/such/file"), b"\xff", ""])
def test_a_certificate_that_cannot_be_read_is_a_value_error(name: str, source: Any) -> None:
    with pytest.raises(ValueError, match=name):
        Cape(access_token="some-token", **{name: source})


@pytest.mark.parametrize("name", ["attestation_root", "tls_ca"])
def test_a_certificate_of_another_type_is_a_type_error(name: str) -> None:
    wrong: Any = {name: 7}
    with pytest.raises(TypeError, match=name):
        Cape(access_token="some-token", **wrong)


@pytest.mark.parametrize("name", ["attestation_root", "tls_ca"])
def test_a_file_without_a_certificate_is_a_value_error(
    enclave: LocalEnclave, name: str, tmp_path: pathlib.Path
) -> None:
    path = tmp_path / "file"
    path.write_text("nothing")
    wrong: Any = {name: path}
    with pytest.raises(ValueError):
        call(Cape(enclave=enclave, **wrong))


def test_the_environment_fills_what_the_arguments_leave_open(
    functions: list[pathlib.Path],
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with LocalEnclave(functions[0], tls=True) as enclave:
        root, authority = tmp_path / "root.pem", tmp_path / "ca.pem"
        root.write_text(enclave.attestation_root)
        authority.write_text(enclave.tls_ca or "")
        monkeypatch.setenv("CAPE_ENCLAVE_HOST", enclave.url)
        monkeypatch.setenv("CAPE_ATTESTATION_ROOT", str(root))
        monkeypatch.setenv("CAPE_TLS_CA", str(authority))
        with caplog.at_level(logging.WARNING, "pycape"):
            call(Cape(policy="any"))
        assert "CAPE_ATTESTATION_ROOT" in caplog.text
        assert [record.name for record in caplog.records] == ["pycape"]


def test_arguments_and_a_local_enclave_go_before_the_environment(
    enclave: LocalEnclave, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("CAPE_ENCLAVE_HOST", "ws://127.0.0.1:1")
    monkeypatch.setenv("CAPE_ATTESTATION_ROOT", "/no/such/file")
    monkeypatch.setenv("CAPE_TLS_CA", "/no/such/file")
    call(Cape(enclave=enclave))
    assert caplog.text == ""
    monkeypatch.delenv("CAPE_TLS_CA")
    call(Cape(enclave.url, attestation_root=enclave.attestation_root, policy="any"))


# Policies.


def test_a_local_enclave_is_pinned_to_its_own_measurements(
    enclave: LocalEnclave, functions: list[pathlib.Path]
) -> None:
    call(Cape(enclave=enclave))
    enclave.set_faults("zero_pcrs")
    with pytest.raises(pycape.PolicyError):
        call(Cape(enclave=enclave))


def test_a_wrong_measurement_is_refused(enclave: LocalEnclave) -> None:
    with pytest.raises(pycape.PolicyError, match="PCR0") as caught:
        call(Cape(enclave=enclave, policy={"pcrs": {"0": ["00" * 47 + "01"]}}))
    assert isinstance(caught.value, RuntimeError)
    assert caught.value.reason == "policy.pcr_mismatch"
    assert caught.value.report is not None
    assert caught.value.report["pcrs"]["0"] == enclave.pcrs["0"]


@pytest.mark.parametrize("form", ["dict", "int keys", "path", "path text", "any", "file of any"])
def test_a_policy_is_any_a_dict_or_a_path(
    enclave: LocalEnclave, form: str, tmp_path: pathlib.Path
) -> None:
    path, open_to_any = tmp_path / "policy.json", tmp_path / "any.json"
    path.write_text(json.dumps({"pcrs": {"0": [enclave.pcrs["0"]]}, "max_age_ms": 60000}))
    open_to_any.write_text('"any"')
    policy: Any = {
        "dict": {"pcrs": enclave.pcrs},
        "int keys": {"pcrs": {0: [enclave.pcrs["0"]]}},
        "path": path,
        "path text": str(path),
        "any": "any",
        "file of any": open_to_any,
    }[form]
    call(Cape(enclave=enclave, policy=policy))


@pytest.mark.parametrize(
    "content",
    ["", "{", "7", "[]", '"all"', '{"pcrs": {"0": ["00"]}, "pcrs": {}}', '{"any": true, "any": 1}'],
)
def test_a_policy_file_that_says_nothing_clear_is_a_value_error(
    content: str, tmp_path: pathlib.Path
) -> None:
    path = tmp_path / "policy.json"
    path.write_text(content)
    with pytest.raises(ValueError, match="policy.json"):
        Cape(access_token="some-token", policy=path)


def test_a_policy_file_that_is_not_there_is_a_value_error(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ValueError, match="no-file.json"):
        Cape(access_token="some-token", policy=tmp_path / "no-file.json")


@pytest.mark.parametrize("policy", ["ANY", "Any", " any"])
def test_a_policy_that_is_nearly_any_is_no_file(policy: str) -> None:
    with pytest.raises(pycape.ArgumentError, match='policy "any" is written just so'):
        Cape(policy=policy)


@pytest.mark.parametrize("name", ["insecure_ws", "reconnect", "signed_results"])
@pytest.mark.parametrize("wrong", ["no", 1, None])
def test_a_switch_is_true_or_false(client: Any, name: str, wrong: Any) -> None:
    with pytest.raises(pycape.ArgumentTypeError, match=f"{name} must be True or False"):
        client(**{name: wrong})


@pytest.mark.parametrize("policy", [7, ["any"], b"any"])
def test_a_policy_of_another_type_is_a_type_error(policy: Any) -> None:
    with pytest.raises(TypeError, match="policy"):
        Cape(access_token="some-token", policy=policy)


@pytest.mark.parametrize(
    "policy, reason",
    [
        ({}, "argument.policy_empty"),
        ({"pcrs": {}}, "argument.policy_empty"),
        ({"pcrs": {"0": []}}, "argument.policy"),
        ({"pcr": {"0": ["00" * 48]}}, "argument.policy"),
        ({"pcrs": {"0": ["zz"]}}, "argument.policy"),
        ({"pcrs": {"99": ["00" * 48]}}, "argument.policy"),
        ({"max_age_ms": -1}, "argument.policy"),
    ],
)
def test_a_policy_that_pins_nothing_or_is_malformed_is_refused(
    enclave: LocalEnclave, policy: Any, reason: str
) -> None:
    for cape in (
        Cape(enclave=enclave, policy=policy),
        Cape(enclave.url, attestation_root=enclave.attestation_root, policy=policy),
    ):
        with pytest.raises(pycape.ArgumentError) as caught:
            call(cape)
        assert caught.value.reason == reason


def test_no_policy_and_no_hash_is_a_warning_that_names_the_callers_line(
    enclave: LocalEnclave,
) -> None:
    cape = Cape(enclave.url, attestation_root=enclave.attestation_root)
    with pytest.warns(pycape.UnpinnedWarning, match="policy=") as caught:
        cape.connect("local/echo")
        cape.run("local/echo", b"x")
    assert [warning.filename for warning in caught] == [__file__] * 2
    cape.close()


def test_the_hash_of_a_function_reference_is_a_policy(enclave: LocalEnclave) -> None:
    [checksum] = [f["checksum"] for f in enclave.functions if f["name"] == "local/echo"]
    cape = Cape(enclave.url, attestation_root=enclave.attestation_root)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        call(cape, FunctionRef("local/echo", checksum))
        call(cape, FunctionRef("local/echo", checksum.upper()))
    for wrong in ("00" * 32, checksum[:-1] + ("0" if checksum[-1] != "0" else "1")):
        with pytest.raises(pycape.PolicyError) as caught:
            call(cape, FunctionRef("local/echo", wrong))
        assert caught.value.reason == "policy.function_checksum"
    for no_hash in ("no hash", "", "00" * 31, "0x" + "00" * 31):
        with pytest.raises(pycape.ArgumentError, match="checksum of a function reference") as refused:
            call(cape, FunctionRef("local/echo", no_hash))
        assert refused.value.reason == "argument.policy"


def test_policy_and_hash_both_count(enclave: LocalEnclave) -> None:
    [checksum] = [f["checksum"] for f in enclave.functions if f["name"] == "local/echo"]
    right, wrong = FunctionRef("local/echo", checksum), FunctionRef("local/echo", "00" * 32)
    for policy in (None, "any", {"any": True}, {"pcrs": enclave.pcrs}):
        call(Cape(enclave=enclave, policy=policy), right)
        with pytest.raises(pycape.PolicyError):
            call(Cape(enclave=enclave, policy=policy), wrong)
    with pytest.raises(pycape.PolicyError):
        call(Cape(enclave=enclave, policy={"pcrs": {"0": "01" * 48}}), right)


def test_two_hashes_have_to_agree(enclave: LocalEnclave) -> None:
    cape = Cape(enclave=enclave, policy={"function_checksum": "00" * 32})
    with pytest.raises(ValueError, match="different"):
        call(cape, FunctionRef("local/echo", "11" * 32))
    [checksum] = [f["checksum"] for f in enclave.functions if f["name"] == "local/echo"]
    cape = Cape(enclave=enclave, policy={"function_checksum": checksum})
    call(cape, FunctionRef("local/echo", checksum.upper()))


# Time-outs and addresses.


@pytest.mark.parametrize("timeout", [0, -1, float("inf"), float("nan")])
def test_a_timeout_that_is_no_time_is_a_value_error(timeout: float) -> None:
    with pytest.raises(ValueError, match="timeout"):
        Cape(access_token="some-token", timeout=timeout)


@pytest.mark.parametrize("timeout", ["30", True, [1]])
def test_a_timeout_of_another_type_is_a_type_error(timeout: Any) -> None:
    with pytest.raises(TypeError, match="timeout"):
        Cape(access_token="some-token", timeout=timeout)


@pytest.mark.parametrize(
    "url, reason",
    [
        ("ws://192.0.2.1", "argument.insecure_url"),
        ("ftp://127.0.0.1", "argument.url"),
        ("enclave.example.com", "argument.url"),
        ("wss://", "argument.url"),
    ],
)
def test_an_address_that_cannot_be_trusted_is_a_value_error(url: str, reason: str) -> None:
    with pytest.raises(ValueError) as caught:
        call(Cape(url, access_token="some-token", policy="any"))
    assert isinstance(caught.value, pycape.ArgumentError)
    assert caught.value.reason == reason


def test_arguments_of_the_wrong_type_are_type_errors() -> None:
    wrong: Any = 7
    with pytest.raises(TypeError, match="url"):
        Cape(wrong, access_token="some-token")
    with pytest.raises(TypeError, match="enclave"):
        Cape(enclave=wrong)
