"""What is raised for bytes that are no serialized call."""

from __future__ import annotations


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
