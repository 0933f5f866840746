"""An enclave on this machine, for development and tests."""

from __future__ import annotations

import os
import sys
import threading
from typing import Any, Iterable, TypedDict, TypeVar, Union

from pycape import _ffi, checks, faults as known_faults
from pycape.errors import ArgumentTypeError, ClosedError

StrPath = Union[str, bytes, "os.PathLike[str]", "os.PathLike[bytes]"]


_Self = TypeVar("_Self", bound="LocalEnclave")

_ENDED = "the local enclave has ended"


class FunctionInfo(TypedDict):
    """A function that an enclave serves."""

    id: str  #: 22 characters; changes with the content
    name: str  #: "local/" and the name of its folder
    checksum: str  #: SHA-256 of its zip, in hex


class LocalEnclave:
    """Serves function folders in this process, by the same protocol as a real enclave::

        with LocalEnclave("echo") as enclave, Cape(enclave=enclave) as cape:
            cape.run("local/echo", b"hello")

    It simulates the security module, with a fresh root on each start: only who passes its root
    trusts it. Functions are shut in as far as the kernel grants it, and the log says what it does
    not. It starts with the ``with`` block, or when one of its attributes is first asked for, and
    ends with the block, with :meth:`close`, or when it is forgotten. Any thread may use it.

    The folders are read at the start: what is changed in them later has no effect on this enclave.
    Nothing can be deployed to it.

    :param dirs: folders, each with an ``app.py`` that defines ``cape_handler``; the function in
        a folder named ``echo`` is ``local/echo``.
    :param python: the interpreter that runs the functions.
    :param tls: serve ``wss://`` under an authority of its own, ``tls_ca``.
    :param log: a file, to which what functions print and their tracebacks are appended. None: that
        is not kept.
    :param faults: ways to misbehave, for tests; see :meth:`set_faults`.
    :raises TypeError: an argument has the wrong type.
    :raises ValueError: a fault is unknown; at the start: a folder has no app.py.
    """

    def __init__(
        self,
        *dirs: StrPath,
        python: StrPath = sys.executable,
        tls: bool = False,
        log: StrPath | None = None,
        faults: Iterable[str] = (),
    ) -> None:
        self._options: dict[str, Any] = {
            "functions": [_path(folder, "a folder") for folder in dirs],
            "python": _text(python or "python3", "python"),
            "tls": checks.flag(tls, "tls"),
            "faults": known_faults.check(faults),
        }
        if log is not None:
            self._options["log"] = _path(log, "log")
        self._lock = threading.RLock()  # a signal handler may close it while it starts
        self._enclave: _ffi.Enclave | None = None
        self._info: dict[str, Any] = {}
        self._closed = False

    @property
    def url(self) -> str:
        """``ws://127.0.0.1:port``, or ``wss://`` with ``tls``."""
        return str(self._described()["url"])

    @property
    def attestation_root(self) -> str:
        """The root certificate of its simulated security module, as PEM."""
        return str(self._described()["attestation_root"])

    @property
    def tls_ca(self) -> str | None:
        """The authority of its TLS certificate, as PEM; None without ``tls``."""
        return self._described().get("tls_ca")

    @property
    def functions(self) -> list[FunctionInfo]:
        """The functions, in the order of the folders."""
        return [
            FunctionInfo(id=info["id"], name=info["name"], checksum=info["checksum"])
            for info in self._described()["functions"]
        ]

    @property
    def pcrs(self) -> dict[str, str]:
        """Its measurements, hex by index: {"0": ..., "1": ..., "2": ...}."""
        return dict(self._described()["pcrs"])

    def set_faults(self, *names: str) -> None:
        """Misbehaves in these ways from now on, and in no other; without names, in none.

        :param names: some of ``pycape.testing.FAULTS``, which tells what each does.
        :raises ValueError: a name is unknown; nothing has changed.
        """
        self._running().set_faults(known_faults.check(names))

    def close(self) -> None:
        """Ends the enclave and its functions. Later calls do nothing."""
        with self._lock:
            self._closed = True
            enclave, self._enclave = self._enclave, None
        if enclave is not None:
            enclave.close()

    @property
    def closed(self) -> bool:
        """It has ended, and does not start again."""
        return self._closed

    def __enter__(self: _Self) -> _Self:
        self._running()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "ended" if self._closed else self._info.get("url", "not started")
        return f"<{type(self).__name__} {state}>"

    def _running(self) -> _ffi.Enclave:
        with self._lock:
            if self._closed:
                raise ClosedError(_ENDED, reason="closed.not_sent")
            if self._enclave is None:
                enclave = _ffi.start_enclave(self._options)
                if self._closed:
                    enclave.close()
                    raise ClosedError(_ENDED, reason="closed.not_sent")
                self._info = enclave.info()
                self._enclave = enclave
            return self._enclave

    def _described(self) -> dict[str, Any]:
        self._running()
        return self._info


def _path(path: StrPath, what: str) -> str:
    return os.path.abspath(checks.path(_text(path, what), what))


def _text(path: StrPath, what: str) -> str:
    try:
        return os.fsdecode(path)
    except TypeError as error:
        raise ArgumentTypeError(
            f"{what} must be a path, not {type(path).__name__}", reason="argument.type"
        ) from error
