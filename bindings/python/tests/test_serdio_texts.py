"""What serdio says of values that it cannot serialize."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum
import re
import tracemalloc
import uuid
from typing import Any, NamedTuple

import pytest

import serdio
from serdio.place import place_of


class Opaque:
    pass


class Colour(enum.IntEnum):
    RED = 1


@dataclasses.dataclass
class Point:
    x: int


EXTENDED = [
    datetime.date(2024, 1, 1),
    datetime.timedelta(1),
    decimal.Decimal(1),
    uuid.UUID(int=1),
    Point(1),
]


@pytest.mark.parametrize("value", EXTENDED, ids=lambda value: type(value).__name__)
def test_the_extensions_are_named_where_they_would_do(value: Any) -> None:
    with pytest.raises(TypeError, match=r"serdio\.ext\.Extensions; it is argument 1$"):
        serdio.serialize(value)
    extensions = serdio.ext.Extensions(Point)
    assert serdio.serialize(value, encoder=extensions.encoder_hook)


def test_the_extensions_are_not_named_where_they_would_not_do() -> None:
    for value in (Opaque(), Colour.RED, object(), collections.OrderedDict(a=1)):
        with pytest.raises(TypeError) as caught:
            serdio.serialize(value)
        assert "Extensions" not in str(caught.value)
    with pytest.raises(TypeError, match="give an encoder for it; it is argument 1"):
        serdio.serialize(Colour.RED, encoder=serdio.ext.Extensions().encoder_hook)


@pytest.mark.parametrize(
    "args, kwargs, where",
    [
        ((1, 2, Opaque()), {}, "argument 3"),
        ((), {"a": 1, "b": [Opaque()]}, "keyword argument b, item 1 of a list"),
        (([{}, {"one": 1, "s e c r e t": (1, Opaque())}],), {}, "argument 1, item 2 of a list, value 2 of a dict, item 2 of a tuple"),
        (({Opaque(): 1},), {}, "argument 1, key 1 of a dict"),
        (({1, Opaque()},), {}, "argument 1, a member of a set"),
        (([0] * 200_000 + [Opaque()],), {}, None),
    ],
)
def test_an_error_says_where_the_object_is_but_nothing_of_the_data(
    args: tuple[Any, ...], kwargs: dict[str, Any], where: str | None
) -> None:
    with pytest.raises(TypeError) as caught:
        serdio.serialize(*args, **kwargs)
    text = "can not serialize 'Opaque' object: convert it, or give an encoder for it"
    assert str(caught.value) == text + ("" if where is None else f"; it is {where}")


def test_the_place_of_what_lies_deep_is_told_in_short() -> None:
    value: Any = Opaque()
    for _ in range(400):
        value = [value]
    with pytest.raises(TypeError) as caught:
        serdio.serialize(**{"\U0010ffff" * 5000: value})
    place = str(caught.value).partition("; it is ")[2]
    assert re.fullmatch(r"keyword argument '.*, item 1 of a list, ..., item 1 of a list, item 1 of a list", place)
    assert len(place) <= 200 and place.isprintable()


def test_a_name_that_is_no_plain_one_stands_in_quotes() -> None:
    with pytest.raises(TypeError) as caught:
        serdio.serialize(**{"a\nb\x1b[31m": Opaque()})
    assert str(caught.value).endswith(r"; it is keyword argument 'a\nb\x1b[31m'")


def test_the_place_is_looked_for_in_little_memory() -> None:
    value = [*range(2_000_000), Opaque()]
    tracemalloc.start()
    try:
        with pytest.raises(TypeError):
            serdio.serialize([value])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 64 << 20


class Nameless:
    pass


setattr(Nameless, "__module__", None)


class Meta(type):
    @property
    def __module__(cls) -> str:  # type: ignore[override]
        raise LookupError("of the class itself")


class Odd(metaclass=Meta):
    pass


class Raising(list):  # type: ignore[type-arg]
    def __iter__(self) -> Any:
        raise LookupError("of the list itself")


class Pair(NamedTuple):
    first: Any
    second: Any

    def __iter__(self) -> Any:
        raise LookupError("of the tuple itself")


@pytest.mark.parametrize("value", [Nameless(), Raising(), Odd()], ids=["no module", "raising list", "odd class"])
def test_an_odd_class_does_not_put_another_error_in_the_place_of_this_one(value: Any) -> None:
    for args in ((value,), ([Raising([1]), value],), ({1: value},)):
        with pytest.raises(TypeError, match="^can not serialize '.*' object: convert it, or give"):
            serdio.serialize(*args)


def test_the_search_for_a_place_runs_no_code_of_a_list() -> None:
    def encoder(value: Any) -> Any:
        return 1 if type(value) is Raising else None

    with pytest.raises(TypeError, match="; it is argument 2$"):
        serdio.serialize(Raising([1]), Opaque(), encoder=encoder)


def test_what_is_in_a_namedtuple_has_a_place() -> None:
    value = Opaque()
    assert place_of(value, (Pair(1, value),), {}) == "argument 1, item 2 of a tuple"


def test_what_an_encoder_made_has_no_place() -> None:
    with pytest.raises(TypeError, match="give an encoder for it$"):
        serdio.serialize(Opaque(), encoder=lambda value: [object()] if type(value) is Opaque else None)


@pytest.mark.parametrize(
    "value, kind, text",
    [
        (Opaque(), TypeError, "'Opaque' object: convert it, or give an encoder for it"),
        ([(Opaque(),)], TypeError, "'Opaque' object: convert it, or give an encoder for it"),
        (2**64, OverflowError, "an integer needs more than 64 bits: send it as text or as bytes"),
        ({-(2**63) - 1}, OverflowError, "an integer needs more than 64 bits"),
        (memoryview(b"abcd")[::2], TypeError, "a memoryview must be contiguous"),
    ],
)
def test_what_cannot_be_serialized_is_an_error_that_says_what_to_do(
    value: Any, kind: type[Exception], text: str
) -> None:
    for call in (lambda: serdio.serialize(value), lambda: serdio.serialize(a=[value])):
        with pytest.raises(kind, match=text) as caught:
            call()
        assert type(caught.value) is kind
        assert not str(caught.value).endswith(".")


def test_an_encoder_that_never_comes_to_an_end_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="nested too deeply") as caught:
        serdio.serialize(Opaque(), encoder=lambda value: [value])
    assert not str(caught.value).endswith(".")


@pytest.mark.parametrize("error", [TypeError("can not serialize mine"), TypeError("mine"), OverflowError("mine"), BufferError("mine")])
def test_what_an_encoder_raises_is_left_as_it_is(error: Exception) -> None:
    def encoder(value: Any) -> Any:
        raise error

    with pytest.raises(type(error), match="mine") as caught:
        serdio.serialize(Opaque(), encoder=encoder)
    assert caught.value is error
