"""Dicts and sets of what a message holds, whose hashes its sender may have chosen."""

from __future__ import annotations

from collections import Counter
from typing import Any, Callable, Iterable

from serdio import errors, profile
from serdio.errors import DecodeError

# Of these alone nobody can make many that have the same hash. A NaN is hashed by its identity.
_SPREAD = frozenset((type(None), bool, int, float, str, bytes))


def hashed(value: Any) -> int:
    return hash(value)


def _elements(items: Iterable[Any]) -> Iterable[Any]:
    if isinstance(items, (str, bytes)):
        return items
    elements = items if type(items) is list else list(items)
    _check_hashes(elements)
    return elements


def make_dict(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    if len(pairs) > profile.MAX_SAME_HASH:
        _check_hashes([key for key, _ in pairs])
    return dict(pairs)


def _check_hashes(items: list[Any]) -> None:
    """Refuses what a hash table would take quadratic time for. Hashes themselves are integers,
    of which only a few can have the same one."""
    if len(items) <= profile.MAX_SAME_HASH or _SPREAD.issuperset(map(type, items)):
        return
    if max(Counter(map(hash, items)).values()) > profile.MAX_SAME_HASH:
        raise DecodeError(
            f"more than {profile.MAX_SAME_HASH} elements of a set, or keys of a map, have one hash",
            "serdio.size",
        )


COLLECTIONS: dict[int, Callable[[Any], Any]] = {
    profile.TUPLE: tuple,
    profile.SET: lambda items: set(_elements(items)),
    profile.FROZENSET: lambda items: frozenset(_elements(items)),
}


def guarded(make: Callable[[Any], Any], value: Any, reason: str) -> Any:
    """Makes what asks its elements for hashes; those that the decoder made may do anything."""
    try:
        return make(value)
    except DecodeError:
        raise
    except TypeError as error:
        raise errors.no_hash(error, reason) from error
    except Exception as error:
        raise errors.failed(error) from error
