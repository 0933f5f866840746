"""Cape keys, and where those that were fetched are kept."""

from __future__ import annotations

import json
import os
from typing import Any, Mapping

from pycape import _ffi, checks, config
from pycape.errors import ArgumentError, shown


def sealed(key: checks.Data, data: checks.Data) -> bytes:
    """What data is, sealed to a key: ``cape:`` and base64.

    :raises ValueError: the key is none.
    :raises TypeError: one of them is not bytes.
    """
    known = der(checks.data("key", key, reason="argument.type"))
    return _ffi.encrypt(known, checks.data("input", data, reason="argument.type"))


def check_one(*named: object) -> None:
    """
    :raises ValueError: a key is named in several ways.
    """
    if sum(name is not None for name in named) > 1:
        raise ArgumentError(
            "key, username and key_path exclude each other: give one", reason="argument.key"
        )


def der(key: bytes) -> bytes:
    """A key that may be PEM, as ``cape key`` prints it, in DER."""
    begin, end = b"-----BEGIN PUBLIC KEY-----", b"-----END PUBLIC KEY-----"
    if not key.strip().startswith(begin):
        return key
    import base64
    import binascii

    try:
        return base64.b64decode(key.strip().removeprefix(begin).partition(end)[0])
    except binascii.Error as error:
        raise ArgumentError(f"the key is no PEM: {error}", reason="argument.key") from error


def read(path: str) -> bytes | None:
    """The key in a file, in DER; None where there is no such file.

    :raises ValueError: what is there is no key.
    """
    try:
        with open(path, "rb") as file:
            key = der(file.read(1 << 16))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unusable(path, str(error.strerror)) from error
    try:
        _ffi.encrypt(key, b"")
    except ArgumentError as error:
        raise _unusable(path, error.message) from error
    return key


def write(path: str, key: bytes) -> None:
    """Keeps a key in a file, all of it or nothing, for its owner alone."""
    try:
        config.write(path, key)
    except OSError as error:
        raise _unusable(path, str(error.strerror)) from error


class Kept:
    """The place of a key below the folder of settings. It is that of a service, a user and a trust:
    what one service said is never taken for what another one says, nor a key that was fetched under
    one policy for one that another policy admits.
    """

    def __init__(self, options: Mapping[str, Any], user: str) -> None:
        import hashlib
        from urllib.parse import urlsplit

        policy = options.get("policy")
        # An age, or a date on which a release ends, can be judged only when a document is fetched.
        dated = isinstance(policy, dict) and ("max_age_ms" in policy or "releases" in policy)
        parts = urlsplit(str(options["url"]).strip())
        service = [parts.scheme.replace("https", "wss").replace("http", "ws"), parts.netloc, parts.path.strip("/")]
        trust = json.dumps([service, user, options.get("attestation_roots"), policy], sort_keys=True)
        name = f"{hashlib.sha256(trust.encode()).hexdigest()[:16]}.{config.key_file_name()}"
        host = parts.hostname or "unnamed"
        above = os.path.join(config.folder(), "encryption_keys")
        self._path = None if dated else os.path.join(above, _safe(host), _safe(user), name)

    def read(self) -> bytes | None:
        """The key, if there is one that can be used."""
        try:
            return None if self._path is None else read(self._path)
        except ArgumentError:
            return None  # what cannot be used is fetched again

    def write(self, key: bytes) -> None:
        """Keeps the key. Where that cannot be done, the next one is fetched again."""
        if self._path is None:
            return
        try:
            config.make_folder(os.path.dirname(self._path))
            config.write(self._path, key)
        except OSError:
            pass


def _safe(name: str) -> str:
    """A name as one part of a path, which is no other name's."""
    import hashlib
    from urllib.parse import quote

    quoted = quote(name, safe="", errors="surrogatepass")
    if name.startswith("."):
        quoted = quoted.replace(".", "%2E")
    if len(quoted) > 100:
        return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
    return quoted


def _unusable(path: str, why: str) -> ArgumentError:
    return ArgumentError(f"the key file {shown(path)} is not usable: {why}", reason="argument.key")
