"""When a token expires, in the forms that callers may give it."""

from __future__ import annotations

import datetime
import re
from typing import Union

from pycape import checks
from pycape.errors import ArgumentError, ArgumentTypeError

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|h|m|s))+")
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")


def moment(expiry: Union[int, float, str, datetime.datetime, datetime.timedelta]) -> str:
    """The time in RFC 3339.

    :param expiry: a time with a time zone, as a datetime or in RFC 3339; or for how long from now:
        a timedelta, a number of seconds, or text such as "3600", "720h" and "1h30m".
    :raises ValueError: it is no time, or not to come.
    :raises TypeError: it is something else.
    """
    if isinstance(expiry, str):
        text = expiry.strip()
        if _DURATION.fullmatch(text):
            expiry = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
        elif text.isascii() and text.isdigit():
            expiry = float(text)
        else:
            expiry = _read(text)
    if isinstance(expiry, (int, float)) and not isinstance(expiry, bool):
        try:
            expiry = datetime.timedelta(seconds=expiry)
        except (OverflowError, ValueError) as error:
            raise _unusable(expiry) from error
    if isinstance(expiry, datetime.timedelta):
        if expiry <= datetime.timedelta(0):
            raise ArgumentError("an expiry must be a time to come", reason="argument.options")
        try:
            expiry = datetime.datetime.now(datetime.timezone.utc) + expiry
        except OverflowError as error:
            raise _unusable(expiry) from error
    if not isinstance(expiry, datetime.datetime):
        raise ArgumentTypeError(
            f"an expiry must be a time or a number of seconds, not {type(expiry).__name__}",
            reason="argument.options",
        )
    if expiry.utcoffset() is None:
        raise ArgumentError(
            "the expiry has no time zone: give one, such as datetime.timezone.utc",
            reason="argument.options",
        )
    return expiry.isoformat()


def _read(text: str) -> datetime.datetime:
    try:
        # Python 3.10 takes neither a "Z" nor any number of digits.
        text = re.sub(r"\.(\d+)", lambda found: f".{found[1]:0<6.6}", text)
        return datetime.datetime.fromisoformat(re.sub("[zZ]$", "+00:00", text))
    except ValueError as error:
        raise _unusable(text) from error


def _unusable(expiry: object) -> ArgumentError:
    given = checks.quoted(expiry) if isinstance(expiry, str) else "that number"
    return ArgumentError(
        f"{given} is no expiry: give seconds, a duration such as 720h, or a time in RFC 3339",
        reason="argument.options",
    )
