"""Dates, times, numbers and identifiers of Python's library as text that has one form only."""

from __future__ import annotations

import datetime
import decimal
import re
import uuid
from typing import Any, Callable

from serdio import profile
from serdio.errors import DecodeError

# Follows the text of a moment that is the second of two with that text, when clocks are put back.
_FOLD = "f"
# The offset that ends the text of an aware moment, after the last colon of its time.
_OFFSET = re.compile(r"([+-])([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{6}))?)?\Z")

_LONGEST = len("9999-12-31T23:59:59.999999+23:59:59.999999")

_MICROSECOND = datetime.timedelta(microseconds=1)


def _with_fold(value: Any) -> str:
    text: str = value.isoformat()
    return text + _FOLD if value.fold and value.utcoffset() is None else text


def _time(value: datetime.time) -> str:
    if value.tzinfo is not None and value.utcoffset() is None:
        raise ValueError(
            f"the time {value} is in a zone whose offset depends on the date: "
            "send a datetime, or a time without zone"
        )
    return _with_fold(value)


def _parsed(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        match = _OFFSET.search(text)
        if match is None:
            value = parse(text.removesuffix(_FOLD))
            return value.replace(fold=1) if text.endswith(_FOLD) else value
        # Read here, because fromisoformat drops the parts of an offset of less than a second.
        hours, minutes, seconds, parts = (int(part or 0) for part in match.groups()[1:])
        offset = datetime.timedelta(
            hours=hours, minutes=minutes, seconds=seconds, microseconds=parts
        )
        zone = datetime.timezone(-offset if match[1] == "-" else offset)
        return parse(text[: match.start()]).replace(tzinfo=zone)

    return read


def _microseconds(text: str) -> datetime.timedelta:
    return datetime.timedelta(microseconds=int(text))


def _span(value: datetime.timedelta) -> str:
    return str(value // _MICROSECOND)


# What each type is written and read by. Reading takes no other text than writing makes.
_TEXTS: dict[type, tuple[int, Callable[[Any], str], Callable[[str], Any]]] = {
    datetime.datetime: (
        profile.DATETIME,
        _with_fold,
        _parsed(datetime.datetime.fromisoformat),
    ),
    datetime.date: (profile.DATE, datetime.date.isoformat, datetime.date.fromisoformat),
    datetime.time: (profile.TIME, _time, _parsed(datetime.time.fromisoformat)),
    datetime.timedelta: (profile.TIMEDELTA, _span, _microseconds),
    decimal.Decimal: (profile.DECIMAL, str, decimal.Decimal),
}
_KINDS = {code: kind for kind, (code, _, _) in _TEXTS.items()}

#: The codes that :func:`decode` reads.
CODES = frozenset((*_KINDS, profile.UUID))


def encode(value: Any) -> tuple[int, bytes] | None:
    """The code and the payload of a value, or None where it is of another type. Subclasses are of
    another type: what they add would be lost."""
    kind = type(value)
    if kind in _TEXTS:
        code, write, _ = _TEXTS[kind]
        return code, write(value).encode("ascii")
    if kind is uuid.UUID:
        return profile.UUID, value.bytes
    return None


def decode(code: int, payload: bytes) -> Any:
    """What :func:`encode` made a payload of."""
    if code == profile.UUID:
        if len(payload) != 16:
            raise DecodeError(f"a UUID is 16 bytes, not {len(payload)}", "serdio.type")
        return uuid.UUID(bytes=payload)
    kind = _KINDS[code]
    if len(payload) > _LONGEST and kind is not decimal.Decimal:
        raise DecodeError(f"the text is too long for a {kind.__name__}", "serdio.type")
    _, write, read = _TEXTS[kind]
    try:
        text = payload.decode("ascii")
        value = read(text)
        same = write(value) == text
    except (ValueError, ArithmeticError) as error:
        raise DecodeError(f"the text is that of no {kind.__name__}", "serdio.type") from error
    if not same:
        raise DecodeError(
            f"the text of a {kind.__name__} is not in the one form that it has", "serdio.type"
        )
    return value
