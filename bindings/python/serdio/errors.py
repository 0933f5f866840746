"""What is raised for bytes that are no serialized call."""

from __future__ import annotations

from typing import Any

from serdio import profile


class DecodeError(ValueError, TypeError):
    """The bytes are no serialized call, are over a limit, or hold what the decoder hook refuses.

    It is the one exception of :func:`serdio.deserialize` for what it reads. It is a ValueError,
    and a TypeError too, because the first serdio raised now one and now the other.

    :ivar reason: a stable word, the same in every language:

        ================  =========================================================
        serdio.truncated  the data ends too early, or is empty
        serdio.trailing   the data, or a payload in it, goes on after its value
        serdio.format     the byte c1, which MessagePack does not use
        serdio.envelope   no map with the arguments of a call
        serdio.type       a value is not made of what it must be made of, or the
                          decoder hook failed; then ``__cause__`` is its exception
        serdio.key        a key that cannot be hashed, or a name that is no text
        serdio.depth      nested too deeply
        serdio.size       over the limits of size, or of equal hashes
        serdio.utf8       text that is not UTF-8
        ================  =========================================================
    """

    def __init__(self, text: str = "", reason: str = "serdio.format") -> None:
        super().__init__(text)
        self.reason = reason


def too_short() -> DecodeError:
    return DecodeError("the data ends before the value does", "serdio.truncated")


def goes_on() -> DecodeError:
    return DecodeError("there is data after the end of the value", "serdio.trailing")


def promised(size: int) -> DecodeError:
    """For a list or a dict in so many bytes whose length cannot be true, or is beyond the limit."""
    return DecodeError(
        "the data announces more elements than it can hold, or than serdio takes",
        "serdio.truncated" if size <= profile.MAX_VALUES else "serdio.size",
    )


def bad_name(name: Any) -> DecodeError:
    return DecodeError(
        f"the name of a keyword argument is not text but {type(name).__name__}", "serdio.key"
    )


def no_hash(error: TypeError, reason: str) -> DecodeError:
    return DecodeError(f"an element of a set, or a key, has no hash: {error}", reason)


def failed(error: Exception) -> DecodeError:
    return DecodeError(f"the decoder failed: {type(error).__name__}: {error}", "serdio.type")
