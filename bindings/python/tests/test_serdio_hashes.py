"""Hashes that collide by design: a set or a map of them takes no more than its share of time."""

from __future__ import annotations

import itertools
import struct
from typing import Any, Callable

import msgpack
import pytest

import serdio
from serdio import profile
from test_serdio_limits import ENVELOPE

compared = 0


class Counted:
    """Equal only to itself, and hashed like all others."""

    def __hash__(self) -> int:
        return 7

    def __eq__(self, other: object) -> bool:
        global compared
        compared += 1
        return self is other


def extension(code: int, payload: bytes) -> bytes:
    return b"\xc9" + struct.pack(">IB", len(payload), code) + payload


def pairs_of(count: int) -> list[bytes]:
    """Tuples of -1 and -2, which have one hash."""
    bits = (count - 1).bit_length()
    tuples = itertools.islice(itertools.product(b"\xff\xfe", repeat=bits), count)
    return [extension(2, msgpack.packb([item - 256 for item in each])) for each in tuples]


def complexes(count: int) -> list[bytes]:
    """Complex numbers whose parts cancel in the hash."""
    return [
        extension(1, msgpack.packb([float(-1000003 * n), float(n)])) for n in range(1, count + 1)
    ]


def frozensets(count: int) -> list[bytes]:
    return [extension(4, b"\x91" + each) for each in pairs_of(count)]


def sequence(items: list[bytes]) -> bytes:
    return b"\xdd" + len(items).to_bytes(4, "big") + b"".join(items)


def a_set(items: list[bytes]) -> bytes:
    return extension(3, sequence(items))


def a_frozenset(items: list[bytes]) -> bytes:
    return extension(4, sequence(items))


def a_set_of_a_tuple(items: list[bytes]) -> bytes:
    return extension(3, extension(2, sequence(items)))


def a_map(items: list[bytes]) -> bytes:
    return b"\xdf" + len(items).to_bytes(4, "big") + b"".join(item + b"\xc0" for item in items)


CONTAINERS = [a_set, a_frozenset, a_set_of_a_tuple, a_map]


def call(value: bytes) -> bytes:
    return ENVELOPE + b"\x91" + value


@pytest.mark.parametrize("hook", [None, lambda value: value], ids=["plain", "hook"])
@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("make", [pairs_of, complexes, frozensets])
def test_more_with_one_hash_than_an_honest_sender_has_are_refused(
    make: Callable[[int], list[bytes]], container: Callable[[list[bytes]], bytes], hook: Any
) -> None:
    limit = profile.MAX_SAME_HASH
    assert len(serdio.deserialize(call(container(make(limit))), hook)) == limit
    with pytest.raises(ValueError, match="have one hash"):
        serdio.deserialize(call(container(make(limit + 1))), hook)
    with pytest.raises(ValueError, match="have one hash"):
        serdio.deserialize(call(container(make(20_000))), hook)


def test_nothing_is_compared_before_it_is_refused() -> None:
    data = call(extension(3, sequence([b"\x80"] * 5000)))
    global compared
    compared = 0
    with pytest.raises(ValueError, match="have one hash"):
        serdio.deserialize(data, lambda value: Counted())
    assert compared == 0


def test_keys_of_keyword_arguments_are_looked_at_too() -> None:
    data = b"\x82" + ENVELOPE[1:] + b"\x90\xaf_serdio_kwargs_\x81\xa1k" + a_map(pairs_of(5000))
    with pytest.raises(ValueError, match="have one hash"):
        serdio.deserialize(data)


@pytest.mark.parametrize(
    "value",
    [
        {(x, y) for x in range(-60, 60) for y in range(-60, 60)},
        frozenset((x, y, z) for x in range(-9, 9) for y in range(-9, 9) for z in range(-9, 9)),
        {(x, y): None for x in range(-60, 60) for y in range(-60, 60)},
        {complex(x, y) for x in range(-60, 60) for y in range(-60, 60)},
        set(range(-5000, 5000)),
        {n * (2**61 - 1): n for n in range(-4, 8)},
        {2.0**n for n in range(-1000, 1000)},
        {str(n): n for n in range(5000)},
    ],
    ids=lambda value: f"{type(value).__name__}-{len(value)}",
)
def test_honest_collections_come_back(value: Any) -> None:
    assert serdio.deserialize(serdio.serialize(value)) == value


def test_an_element_that_stands_often_is_still_one() -> None:
    for element, value in ((b"\xff", -1), (b"\xa1a", "a")):
        assert serdio.deserialize(call(a_set([element] * 5000))) == {value}
    assert serdio.deserialize(call(extension(3, b"\xda\x10\x00" + b"a" * 4096))) == {"a"}
