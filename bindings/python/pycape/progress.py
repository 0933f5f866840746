"""Telling how far a large call is."""

from __future__ import annotations

import contextlib
from typing import Any, Callable, Iterator, Union

from pycape._ffi import Progress, Watch
from pycape.errors import ArgumentTypeError
from pycape.log import logger

#: True, or what is called with a :class:`pycape.Progress`.
ProgressLike = Union[bool, Callable[[Progress], object], None]

#: Bytes from which on a call is large enough to tell of.
LARGE = 4 << 20


def checked(progress: ProgressLike) -> ProgressLike:
    """
    :raises TypeError: it is neither a bool nor callable.
    """
    if progress is None or isinstance(progress, bool) or callable(progress):
        return progress
    raise ArgumentTypeError(
        f"progress must be True or a function, not {type(progress).__name__}",
        reason="argument.type",
    )


@contextlib.contextmanager
def watching(progress: ProgressLike, what: str, size: int = LARGE) -> Iterator[Watch | None]:
    """Gives what is to be told of the progress of a call with an input of this size, if anything."""
    if not progress or size < LARGE:
        yield None
        return
    bar: Any = None
    tell: Callable[[Progress], object]
    if callable(progress):
        tell = progress
    else:
        bar = _bar(what)
        tell = _Logged(what) if bar is None else lambda now: _advance(bar, now)
    last = Progress(-1, 0, 0)

    def watch(now: Progress) -> None:
        nonlocal last
        if now != last and now.to_send >= LARGE:
            last = now
            tell(now)

    try:
        yield watch
    finally:
        if bar is not None:
            bar.close()


def _bar(what: str) -> Any:
    try:
        from tqdm import tqdm  # type: ignore[import-untyped, import-not-found, unused-ignore]
    except ImportError:
        return None
    return tqdm(desc=what, unit="B", unit_scale=True, unit_divisor=1024)


def _advance(bar: Any, now: Progress) -> None:
    bar.total = now.to_send
    bar.update(now.sent - bar.n)


class _Logged:
    """Logs each tenth part of a call."""

    def __init__(self, what: str) -> None:
        self._what, self._tenths = what, -1

    def __call__(self, now: Progress) -> None:
        tenths = 10 * now.sent // now.to_send
        if tenths != self._tenths:
            self._tenths = tenths
            logger().info("%s: %d %% of %d bytes sent", self._what, 10 * tenths, now.to_send)
