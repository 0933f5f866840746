"""Where an object stands in the arguments of a call, for errors."""

from __future__ import annotations

from typing import Any, Iterator, Mapping, NamedTuple

from serdio import profile

# The search ends after so many steps: an error may say less, but must not take for ever.
_MOST = 100_000
_LONGEST_NAME = 60


class _Step(NamedTuple):
    value: Any
    what: str  # with "{}" for the number, or the name
    which: Any


def place_of(wanted: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    """The place, such as "argument 1, value 2 of a dict", in at most 200 characters; empty if the
    object is not found. Of the keys of dicts it tells nothing, which are the program's data."""
    levels, path = [_arguments(args, kwargs)], list[_Step]()
    for _ in range(_MOST):
        step = next(levels[-1], None)
        if step is None:
            levels.pop()
            if not levels:
                break
            continue
        path[len(levels) - 1 :] = [step]
        if step.value is wanted:
            return _told(path)
        contents = _contents(step.value)
        if contents is not None and len(levels) <= profile.MAX_TOTAL_DEPTH:
            levels.append(contents)
    return ""


def _told(path: list[_Step]) -> str:
    if len(path) > 5:
        path = [*path[:2], _Step(None, "...", None), *path[-2:]]
    return ", ".join(step.what.format(step.which) for step in path)


def _arguments(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Iterator[_Step]:
    for number, value in enumerate(args, 1):
        yield _Step(value, "argument {}", number)
    for name, value in kwargs.items():
        yield _Step(value, "keyword argument {}", _shown(name))


def _shown(name: str) -> str:
    begin = name[:_LONGEST_NAME]
    return begin if begin.isascii() and begin.isidentifier() else repr(begin)[:_LONGEST_NAME]


def _contents(value: Any) -> Iterator[_Step] | None:
    """What is in a container; None where it is none. No code of a subclass is run."""
    kind = type(value)
    if kind is dict:
        return _entries(value)
    if kind is list:
        return _items(iter(value), "item {} of a list")
    if issubclass(kind, tuple):  # a namedtuple is one
        return _items(tuple.__iter__(value), "item {} of a tuple")
    if kind in (set, frozenset):
        return _items(iter(value), "a member of a set")
    return None


def _items(items: Iterator[Any], what: str) -> Iterator[_Step]:
    return (_Step(item, what, number) for number, item in enumerate(items, 1))


def _entries(entries: dict[Any, Any]) -> Iterator[_Step]:
    for number, (key, item) in enumerate(entries.items(), 1):
        yield _Step(key, "key {} of a dict", number)
        yield _Step(item, "value {} of a dict", number)
