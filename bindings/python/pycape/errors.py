"""What can go wrong. Every error is a :class:`CapeError`, and also the builtin exception that
the documentation of earlier versions named."""

from __future__ import annotations

from typing import Any


class CapeError(Exception):
    """An error of this library. Its text is one line: what happened, to what, and what to do, and
    at the end the reason, as in "... (chain.expired)".

    :ivar message: the text without the reason.
    :ivar code: the number of its class, as in cape.h; the same in every language. 0 where it
        comes from before the native library.
    :ivar reason: a stable word that says more than the class, such as "chain.expired".
    :ivar report: what the verification of an attestation document found, as a dict, where one
        was examined; else None.
    """

    code: int = 0
    reason: str = ""
    report: dict[str, Any] | None = None

    def __init__(
        self,
        message: str = "",
        *,
        reason: str = "",
        code: int | None = None,
        report: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.report = report
        if code is not None:
            self.code = code

    @property
    def message(self) -> str:
        given = self.__dict__.get("_CapeError__message", self.args[0] if self.args else "")
        return str(given)

    @message.setter
    def message(self, message: str) -> None:  # a program's own class may have one of its own
        self.__message = message

    def __str__(self) -> str:
        return f"{self.message} ({self.reason})" if self.reason else self.message


class ArgumentError(CapeError, ValueError):
    """An argument, an option or a setting is not usable. Nothing was sent."""

    code = -1


class ArgumentTypeError(CapeError, TypeError):
    """An argument has the wrong type. Nothing was sent."""

    code = -1


class ArgumentOverflowError(ArgumentError, OverflowError):
    """A number is too large to be sent. Nothing was sent."""


class ConnectError(CapeError, RuntimeError):
    """No session: no such host, no route, refused, or the enclave said no."""

    code = -3


class TLSError(CapeError, RuntimeError):
    """The server's certificate, or the TLS handshake, failed."""

    code = -4


class AuthError(CapeError, RuntimeError):
    """The token was refused, or there is none."""

    code = -5


class AttestationError(CapeError, RuntimeError):
    """The attestation document does not prove an enclave; ``report`` says how far it came."""

    code = -6


class PolicyError(CapeError, RuntimeError):
    """A genuine enclave, but not one that the policy accepts."""

    code = -7


class ProtocolError(CapeError, RuntimeError):
    """The server sent what the protocol does not allow."""

    code = -8


class SerdioError(ProtocolError, ValueError):
    """The function's result is not what serdio makes, or the caller's decoder failed on it. The
    connection goes on."""


class FunctionError(CapeError, RuntimeError):
    """The function failed; the text is its own, without a reason. The connection goes on."""

    code = -9

    def __str__(self) -> str:
        return self.message if self.reason == "function.error" else super().__str__()


class CapeTimeoutError(CapeError, TimeoutError, RuntimeError):
    """The deadline passed. ``reason`` says whether the request had left."""

    code = -10


class CancelledError(CapeError, RuntimeError):
    """The call was cancelled."""

    code = -11


class ClosedError(CapeError, RuntimeError):
    """Not connected: never, no longer, or the connection was lost.

    ``reason`` is "closed.outcome_unknown" where the function may have run.
    """

    code = -12


class LimitError(CapeError, ValueError, RuntimeError):
    """A size or a count is over its limit: of what was to be sent, or of what came."""

    code = -13


class CapeMemoryError(CapeError, MemoryError):
    """Memory for a result could not be had."""

    code = -14


class ForkedError(CapeError, RuntimeError):
    """Called in a forked child of the process that loaded the library.

    Load it after the fork, or start processes with the "spawn" or "forkserver" method.
    """

    code = -15


class InternalError(CapeError, RuntimeError):
    """A defect in the native library. What it was called on is unusable; others work."""

    code = -16


class LibraryError(CapeError, RuntimeError):
    """The native library was not found, or does not fit this machine or this package."""


class UnpinnedWarning(UserWarning):
    """Nothing says which enclave, or which function, may answer."""


def shown(path: object) -> str:
    """A path as it may stand in an error, on one line: the beginning of it, if it is long."""
    text = str(path)
    text = text if text.isprintable() else ascii(text)
    return text if len(text) <= 160 else text[:160] + "..."


_BY_CODE: dict[int, type[CapeError]] = {
    -1: ArgumentError,
    -2: ClosedError,  # Python keeps no handle but those of its own objects
    -3: ConnectError,
    -4: TLSError,
    -5: AuthError,
    -6: AttestationError,
    -7: PolicyError,
    -8: ProtocolError,
    -9: FunctionError,
    -10: CapeTimeoutError,
    -11: CancelledError,
    -12: ClosedError,
    -13: LimitError,
    -14: CapeMemoryError,
    -15: ForkedError,
    -16: InternalError,
}


def error_for(code: int, reason: str, message: str) -> CapeError:
    """The error for a status of the native library."""
    if code == ForkedError.code:
        message += '; multiprocessing does so with the start method "spawn" or "forkserver"'
    return _BY_CODE.get(code, InternalError)(message, reason=reason, code=code)
