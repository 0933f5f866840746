"""Dataclasses as the name of the class and the fields that its constructor takes.

A name on the wire leads to a class only where the receiver has given that class.
"""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any, Callable, Mapping

from serdio import profile
from serdio.errors import DecodeError
from serdio.hooks import Nested


class Records:
    """The dataclasses that a program sends or receives, by the names that they have on the wire."""

    def __init__(self, classes: Mapping[str, type]) -> None:
        self._classes = dict(classes)
        self._fields: dict[type, tuple[str, ...]] = {}
        self._names: dict[type, str] = {}
        for name, kind in self._classes.items():
            if type(name) is not str:
                raise TypeError(f"the name of a dataclass is text, not {type(name).__name__}")
            if not isinstance(kind, type):
                raise TypeError(
                    f"Extensions takes dataclasses, and an object of {type(kind).__name__} is none: "
                    "give the class"
                )
            if kind in self._names:
                raise ValueError(f"{kind.__name__} is given twice")
            self._names[kind] = name
            self._fields[kind] = _fields(kind)

    def encode(self, value: Any) -> Nested | None:
        """What stands for an instance of one of the classes; None for any other value."""
        kind = type(value)
        if kind not in self._names:
            return None
        contents: list[Any] = [self._names[kind]]
        for field in self._fields[kind]:
            contents += (field, getattr(value, field))
        return Nested(profile.DATACLASS, contents)

    def decode(self, payload: bytes, nested: Callable[[bytes], Any]) -> Any:
        """The instance that :meth:`encode` made a payload of."""
        contents = nested(payload)
        if type(contents) is not list or len(contents) % 2 == 0 or type(contents[0]) is not str:
            raise DecodeError("a dataclass is not its name and its fields", "serdio.type")
        kind = self._classes.get(contents[0])
        if kind is None:
            raise DecodeError(
                f"the data holds a dataclass {contents[0][:100]!r}, which is none of those that "
                "were given to Extensions",
                "serdio.type",
            )
        fields: dict[str, Any] = {}
        for field, value in zip(contents[1::2], contents[2::2]):
            if type(field) is not str or field not in self._fields[kind] or field in fields:
                raise DecodeError(
                    f"a field of {contents[0]} is unknown, or stands twice", "serdio.type"
                )
            fields[field] = value
        return kind(**fields)


def _fields(kind: type) -> tuple[str, ...]:
    if not isinstance(kind, type) or not dataclasses.is_dataclass(kind):
        raise TypeError(f"{getattr(kind, '__name__', kind)!r} is not a dataclass")
    fields = tuple(field.name for field in dataclasses.fields(kind) if field.init)
    parameters = inspect.signature(kind).parameters
    for name, parameter in parameters.items():
        if name not in fields and parameter.default is parameter.empty:
            if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                raise TypeError(
                    f"the constructor of {kind.__name__} takes {name}, which is not a field"
                )
    return fields
