"""Encrypting for a function, where the key is at hand."""

from __future__ import annotations

import base64

from pycape import checks, keys

__all__ = ["encrypt"]


def encrypt(message: checks.Data, key: checks.Data) -> bytes:
    """Seals a message to a Cape key: raw bytes, without the tag ``cape:``. :meth:`pycape.Cape.encrypt`
    gives what a function takes for its input.

    :param key: what :meth:`pycape.Cape.key` gives, in DER; or PEM.
    :raises ValueError: the key is no RSA key that can be used.
    :raises TypeError: one of them is not bytes, a bytearray or a memoryview.
    """
    return base64.b64decode(keys.sealed(key, message).removeprefix(b"cape:"))
