"""Which function to call."""

from __future__ import annotations

from pycape.errors import ArgumentError


class FunctionRef:
    """A function, by its id or by its name "user/name".

    :param function_id: what deploying it, or ``LocalEnclave.functions``, gave.
    :param function_hash: SHA-256 of its deployed zip, in hex. Where given, connecting fails with
        :class:`pycape.PolicyError` if the enclave says that it runs another one. The enclave's
        word for it is worth as much as the enclave: pin that with ``policy``.
    :raises ValueError: function_id is None.
    """

    def __init__(self, function_id: str, function_hash: str | None = None) -> None:
        if function_id is None:
            raise ArgumentError(
                "a function has to be named by its id", reason="argument.function"
            )
        self._id = function_id
        self._hash = function_hash

    def get_id(self) -> str:
        """The id or name."""
        return self._id

    def get_hash(self) -> str | None:
        """The hash that the function must have, or None."""
        return self._hash

    def set_hash(self, function_hash: str | None) -> None:
        """Sets the hash for connections made from now on."""
        self._hash = function_hash

    def __repr__(self) -> str:
        return f"FunctionRef({self._id!r}, {self._hash!r})"
