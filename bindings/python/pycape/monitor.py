"""What the native library counts and logs."""

from __future__ import annotations

import threading
from typing import Any, TypedDict

from pycape import _ffi, checks
from pycape.errors import CapeError
from pycape.log import listener


class LogRecord(TypedDict):
    """A line of the library's log. It never holds a payload or a token."""

    number: int  #: 1 for the first of the process
    time: str  #: RFC 3339
    level: str  #: "debug", "info", "warning" or "error"
    message: str


def counters() -> dict[str, Any]:
    """What has happened in this process since the library was loaded, and what is open now:
    ``handles`` (those open now: ``connections``, ``enclaves``, ``operations``, ``queues``),
    ``goroutines`` (now), ``connects``, ``connects_failed``, ``reconnects``, ``invokes``,
    ``invokes_failed``, ``bytes_sent`` and ``bytes_received`` (of messages), ``verifications`` and
    ``verification_ns`` (in all). Later versions may add names."""
    return dict(_ffi.counters())


def log_records(after: int = 0) -> list[LogRecord]:
    """The library's log, oldest record first: the latest 1024.

    Where the logger "pycape" is enabled for DEBUG, as by ``Cape(verbose=True)``, calls of any
    client pass these records on to it when they end, with the time at the beginning of the message.

    :param after: the number of the last record that the caller has seen.
    :raises TypeError: it is no integer.
    """
    return list(_ffi.log_records(min(max(checks.whole(after, "after"), 0), _LAST)))


_LAST = 2**64 - 1  # number of a record
_DEBUG = 10  # of logging, which need not be loaded
_LEVELS = {"info": 20, "warning": 30, "error": 40}


class _Forwarding:
    """A block at whose end the logger "pycape" gets what is new in the library's log, if it is
    enabled for DEBUG."""

    def __init__(self) -> None:
        self._position = 0
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        # Where another thread is at it, it passes on these too; a forked child must not wait.
        log = listener()
        if log is not None and log.isEnabledFor(_DEBUG) and self._lock.acquire(blocking=False):
            try:
                for record in log_records(self._position):
                    self._position = record["number"]
                    level = _LEVELS.get(record["level"], _DEBUG)
                    log.log(level, "%s: %s", record["time"], record["message"])
            except CapeError:
                pass  # there is no library, or not for this process
            finally:
                self._lock.release()


forwarding = _Forwarding()
