"""Cape keys and encryption, and where keys are kept."""

from __future__ import annotations

import base64
import json
import pathlib
import stat
from typing import Any, Iterator

import pytest

import pycape
import pycape.cape_encrypt
from conftest import FUNCTIONS, Running
from pycape import Cape, LocalEnclave, _ffi, keys

ECHO = FUNCTIONS / "echo"


@pytest.fixture
def ada(client: Any, service: Running) -> Any:
    return client(**service.settings())


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The requests that were made."""
    made: list[dict[str, Any]] = []
    requesting = _ffi.Requesting

    def note(options: dict[str, Any], *args: Any) -> Any:
        made.append(options)
        return requesting(options, *args)

    monkeypatch.setattr(_ffi, "Requesting", note)
    return made


def kept(home: pathlib.Path) -> Iterator[pathlib.Path]:
    return (path for path in (home / ".config").rglob("*") if path.is_file())


def test_only_a_function_of_the_owner_reads_what_is_encrypted(ada: Any) -> None:
    function = ada.deploy(ECHO, name="reader")
    sealed = ada.encrypt(b"secret")
    assert sealed.startswith(b"cape:") and b"secret" not in sealed
    assert sealed != ada.encrypt(b"secret")
    assert ada.run(function, sealed) == b"secret"
    for key in ({"username": "ada"}, {"key": ada.key()}, {"key": ada.key(username="ada")}):
        assert ada.run(function, ada.encrypt(b"secret", **key)) == b"secret"


def test_encryption_with_a_key_at_hand_needs_no_service(ada: Any) -> None:
    der = ada.key()
    pem = b"-----BEGIN PUBLIC KEY-----\n%s-----END PUBLIC KEY-----\n" % base64.encodebytes(der)
    nowhere = Cape("ws://127.0.0.1:9", policy="any")
    for key in (der, pem):
        sealed = nowhere.encrypt(b"secret", key=key)
        raw = pycape.cape_encrypt.encrypt(b"secret", key)
        assert len(base64.b64decode(sealed[5:])) == len(raw) == 512 + 12 + 6 + 16
        assert ada.run(ada.deploy(ECHO), b"cape:" + raw) == b"secret"


@pytest.mark.parametrize("key", [b"", b"no key", b"-----BEGIN PUBLIC KEY-----\n!", b"\x30" * 550])
def test_what_is_no_key_is_a_value_error(key: bytes, tmp_path: pathlib.Path) -> None:
    cape = Cape("ws://127.0.0.1:9", policy="any")
    path = tmp_path / "key"
    path.write_bytes(key)
    for call in (
        lambda: cape.encrypt(b"x", key=key),
        lambda: cape.encrypt(b"x", key_path=path),
        lambda: cape.key(key_path=path),
        lambda: pycape.cape_encrypt.encrypt(b"x", key),
    ):
        with pytest.raises(ValueError) as caught:
            call()
        assert isinstance(caught.value, pycape.ArgumentError)
        assert caught.value.reason == "argument.key"


def test_what_is_not_bytes_is_a_type_error(client: Any) -> None:
    cape = client("ws://127.0.0.1:9", policy="any")
    for call in (
        lambda: cape.encrypt("text"),
        lambda: cape.encrypt(b"x", key="text"),
        lambda: pycape.cape_encrypt.encrypt("text", b""),  # type: ignore[arg-type]
    ):
        with pytest.raises(TypeError):
            call()


def test_two_keys_are_a_value_error(client: Any) -> None:
    cape = client("ws://127.0.0.1:9", policy="any")
    for call in (
        lambda: cape.key(username="ada", key_path="key"),
        lambda: cape.encrypt(b"x", username="ada", key=b"key"),
        lambda: cape.encrypt(b"x", key_path="key", key=b"key"),
        lambda: cape.key(username=""),
    ):
        with pytest.raises(ValueError):
            call()


def test_a_key_is_fetched_once_and_kept_for_its_owner_alone(
    ada: Any, asked: list[Any], clean_environment: pathlib.Path
) -> None:
    key = ada.key(username="ada")
    assert ada.key(username="ada") == key
    ada.encrypt(b"x", username="ada")
    assert [options["request"] for options in asked] == ["key"]
    assert "token" not in asked[0]
    [path] = kept(clean_environment)
    assert path.read_bytes() == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for folder in path.relative_to(clean_environment).parents:
        if folder != pathlib.Path("."):
            assert stat.S_IMODE((clean_environment / folder).stat().st_mode) == 0o700


def test_the_key_of_a_user_needs_no_login(monkeypatch: pytest.MonkeyPatch) -> None:
    class Asked(Exception):
        pass

    def request(options: dict[str, Any], data: bytes) -> Any:
        raise Asked(options)

    monkeypatch.setattr(_ffi, "Requesting", request)
    cape = Cape("wss://enclave.example.com", policy="any")
    with pytest.raises(Asked) as asked:
        cape.encrypt(b"x", username="ada")
    assert asked.value.args[0] == {
        "request": "key",
        "user": "ada",
        "url": "wss://enclave.example.com",
        "policy": "any",
    }
    with pytest.raises(ValueError, match="access_token"):
        cape.encrypt(b"x")


def test_a_kept_key_is_for_one_service_one_user_and_one_trust(
    ada: Any, asked: list[Any], service: Running, clean_environment: pathlib.Path
) -> None:
    key = ada.key(username="ada")
    settings = service.settings()
    root = pathlib.Path(service.root).read_text()
    others: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"url": service.url.replace("127.0.0.1", "localhost")}, {"username": "ada"}),
        ({"url": service.url + "/"}, {"username": "ada"}),  # the same
        ({"policy": "any"}, {"username": "ada"}),
        ({}, {"username": "ada", "pcrs": {"0": service.pcrs["0"]}}),  # the same
        ({"policy": {"pcrs": {"0": service.pcrs["0"]}}}, {"username": "ada"}),
        ({"attestation_root": root + "\n"}, {"username": "ada"}),
        ({}, {}),
    ]
    fetched = []
    for changed, parameters in others:
        before = len(asked)
        assert Cape(**settings | changed).key(**parameters) == key
        fetched.append(len(asked) - before)
    assert fetched == [1, 0, 1, 1, 1, 1, 1]
    with pytest.raises(pycape.CapeError):
        Cape(**settings | {"url": "ws://127.0.0.1:9"}).key(username="ada")
    with pytest.raises(pycape.PolicyError):
        ada.key(username="ada", pcrs={"8": "11" * 48})
    with pytest.raises(pycape.CapeError):
        ada.key(username="bob")


def test_a_key_of_another_service_is_never_given(
    ada: Any, enclave: LocalEnclave, clean_environment: pathlib.Path
) -> None:
    """Also not where pycape 3 kept one."""
    folder = clean_environment / ".config" / "cape"
    for place in (folder, folder / "encryption_keys" / "ada"):
        place.mkdir(parents=True, exist_ok=True)
        (place / "capekey.pub.der").write_bytes(ada.key())
    other = Cape(enclave=enclave)
    assert other.key() != ada.key()
    assert other.key(username="local") != ada.key(username="ada")
    with pytest.raises(pycape.CapeError):
        Cape("ws://127.0.0.1:9", policy="any").key(username="ada")


@pytest.mark.parametrize("policy", [{"max_age_ms": 10**9}, {"releases": None}])
def test_under_a_policy_with_a_date_no_key_is_kept(
    client: Any, service: Running, asked: list[Any], clean_environment: pathlib.Path, policy: Any
) -> None:
    if "releases" in policy:
        policy = {"releases": [{"name": "one", "pcrs": service.pcrs, "not_after": "2199-01-02T00:00:00Z"}]}
    ada = client(**service.settings() | {"policy": policy | {"pcrs": service.pcrs}})
    ada.key()
    ada.key()
    assert len(asked) == 2
    assert list(kept(clean_environment)) == []


def test_a_kept_key_that_is_damaged_is_fetched_again(
    ada: Any, asked: list[Any], clean_environment: pathlib.Path
) -> None:
    key = ada.key()
    [path] = kept(clean_environment)
    path.write_bytes(key[:100])
    assert ada.key() == key
    assert len(asked) == 2
    assert path.read_bytes() == key


def test_where_no_key_can_be_kept_it_is_fetched_each_time(
    ada: Any, asked: list[Any], clean_environment: pathlib.Path
) -> None:
    (clean_environment / ".config").write_text("not a folder")
    assert ada.key() == ada.key()
    assert len(asked) == 2


@pytest.mark.parametrize(
    "user", ["../../../outside", "..", ".", "/etc", "a/b", "c:\\x", "é" * 200, "x" * 5000, "\0", "\ud800"]
)
def test_a_place_is_below_the_folder_of_keys_whatever_a_user_is_called(
    user: str, clean_environment: pathlib.Path
) -> None:
    folder = clean_environment / ".config" / "cape" / "encryption_keys"
    places = set()
    for host in ("wss://one.example.com", "wss://[::1]:1", f"wss://{user[:50]}"):
        try:
            place = keys.Kept({"url": host, "policy": "any"}, user)
        except ValueError:
            continue
        place.write(b"key")
        assert place._path is not None
        path = pathlib.Path(place._path)
        assert path.resolve().parents[2] == folder.resolve()
        assert path.read_bytes() == b"key"
        places.add(path)
    assert len(places) >= 2


def test_a_key_path_is_read_or_filled(
    ada: Any, asked: list[Any], tmp_path: pathlib.Path, clean_environment: pathlib.Path
) -> None:
    path = tmp_path / "key.der"
    key = ada.key(key_path=path)
    assert path.read_bytes() == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert ada.key(key_path=str(path)) == key
    assert len(asked) == 1
    assert ada.encrypt(b"x", key_path=path).startswith(b"cape:")
    assert list(kept(clean_environment)) == []
    with pytest.raises(ValueError, match="missing"):
        ada.key(key_path=tmp_path / "missing" / "key")


@pytest.mark.parametrize("name", ["CAPE_LOCAL_CAPE_KEY_FILE_NAME", "CAPE_LOCAL_CAPE_KEY_FILENAME"])
def test_the_environment_names_the_folder_and_the_file(
    service: Running, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("CAPE_LOCAL_CONFIG_DIR", str(tmp_path / "settings"))
    monkeypatch.setenv(name, "my.key")
    (tmp_path / "settings").mkdir()
    (tmp_path / "settings" / "auth").write_text(json.dumps({"access_token": service.token}))
    key = Cape(**service.settings() | {"access_token": None}).key()
    [path] = (tmp_path / "settings").rglob("*my.key")
    assert path.read_bytes() == key
