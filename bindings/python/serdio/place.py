"""Where an object stands in the arguments of a call, for errors."""

from __future__ import annotations

from typing import Any, Iterator, Mapping

# The search ends after so many objects: an error may say less, but must not take for ever.
_MOST = 100_000


def place_of(wanted: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    """The place, such as "argument 1, value 2 of a dict"; empty if the object is not found. Of the
    keys of dicts it tells nothing, which are the program's data."""
    pending = [(value, f"argument {number}") for number, value in enumerate(args, 1)]
    pending += [(value, f"keyword argument {name[:60]}") for name, value in kwargs.items()]
    pending.reverse()
    for _ in range(_MOST):
        if not pending:
            break
        value, where = pending.pop()
        if value is wanted:
            return where
        inside = [(item, f"{where}, {what}") for item, what in _contents(value)]
        pending += reversed(inside[:_MOST])
    return ""


def _contents(value: Any) -> Iterator[tuple[Any, str]]:
    if isinstance(value, dict):
        for number, (key, item) in enumerate(value.items(), 1):
            yield key, f"key {number} of a dict"
            yield item, f"value {number} of a dict"
    elif isinstance(value, (list, tuple)):
        kind = "list" if isinstance(value, list) else "tuple"
        for number, item in enumerate(value, 1):
            yield item, f"item {number} of a {kind}"
    elif isinstance(value, (set, frozenset)):
        for item in value:
            yield item, "a member of a set"
