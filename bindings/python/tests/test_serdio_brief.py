"""What is read without being walked first: it must be true to its last header."""

from __future__ import annotations

import tracemalloc
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import serdio
from serdio.brief import is_brief

# One of each first byte from c0 to df, and of the ranges around them.
BRIEF = [
    *(bytes([code]) for code in (0x00, 0x7F, 0xC0, 0xC2, 0xC3, 0xE0, 0xFF)),
    *(b"\xc4\x02ab", b"\xc5\x00\x02ab", b"\xc6\x00\x00\x00\x02ab"),
    *(b"\xc7\x02\x09ab", b"\xc8\x00\x02\x09ab", b"\xc9\x00\x00\x00\x02\x09ab"),
    *(b"\xca" + bytes(4), b"\xcb" + bytes(8)),
    *(bytes([0xCC + n]) + bytes(1 << n) for n in range(4)),
    *(bytes([0xD0 + n]) + bytes(1 << n) for n in range(4)),
    *(bytes([0xD4 + n, 9]) + bytes(1 << n) for n in range(5)),
    *(b"\xd9\x02ab", b"\xda\x00\x02ab", b"\xdb\x00\x00\x00\x02ab"),
    *(b"\xa0", b"\xa2ab", b"\xbf" + b"a" * 31),
    *(b"\xdc\x00\x02\x01\x02", b"\xdd\x00\x00\x00\x02\x01\x02", b"\x90", b"\x92\x01\x02"),
    *(b"\xde\x00\x01\x01\x02", b"\xdf\x00\x00\x00\x01\x01\x02", b"\x80", b"\x81\x01\x02"),
    b"\x93\x81\xa1k\x91\xc4\x01a\xc0\xdc\x00\x01\xc3",
]


@pytest.mark.parametrize("data", BRIEF, ids=bytes.hex)
def test_a_value_is_brief_whole_and_in_no_other_way(data: bytes) -> None:
    msgpack.unpackb(data, strict_map_key=False)
    assert is_brief(data)
    assert not is_brief(data + b"\xc0")
    for end in range(len(data)):
        assert not is_brief(data[:end])


def test_all_headers_are_among_them() -> None:
    assert {data[0] for data in BRIEF} >= set(range(0xC0, 0xE0)) - {0xC1}
    assert not is_brief(b"\xc1")
    assert not is_brief(b"\x91\xc1")


def test_many_headers_are_not_brief() -> None:
    assert is_brief(b"\xdc\x00\x3e" + b"\x01" * 62)
    assert not is_brief(b"\xdc\x01\x00" + b"\x01" * 256)


@settings(deadline=None, derandomize=True, database=None)
@given(st.binary(max_size=24) | st.lists(st.sampled_from(BRIEF), max_size=6).map(b"".join))
def test_what_is_brief_holds_what_it_promises(data: bytes) -> None:
    for candidate in (data, b"\x92" + data, b"\xdd\x00\x00\x00\x03" + data, b"\xc8\x00\x04" + data):
        if not is_brief(candidate):
            continue
        unpacker = msgpack.Unpacker()
        unpacker.feed(candidate)
        unpacker.skip()
        assert unpacker.tell() == len(candidate)


@pytest.mark.parametrize("size", [1000, 1024, 1025, 1100, 5000])
@pytest.mark.parametrize("promise", [b"\xdd\x00\x00\x03\xe0", b"\xdc\x03\xe0", b"\xde\x03\xe0"])
def test_lists_that_promise_one_another_take_little_memory(size: int, promise: bytes) -> None:
    payload = promise * (size // len(promise))
    data = b"\x81\xad_serdio_args_\xc8" + len(payload).to_bytes(2, "big") + b"\x02" + payload
    tracemalloc.start()
    try:
        with pytest.raises(serdio.DecodeError) as caught:
            serdio.deserialize(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert caught.value.reason in ("serdio.truncated", "serdio.depth", "serdio.type", "serdio.key")
    assert peak < 8 << 20


@pytest.mark.parametrize("hook", [None, lambda value: value], ids=["plain", "hook"])
@pytest.mark.parametrize("size", [1, 1000, 1015, 1024, 1030, 2000, 20000])
def test_sizes_around_those_at_which_reading_differs_come_back(size: int, hook: Any) -> None:
    for value in (bytes(size), "é" * size, list(range(size)), {n: (n,) for n in range(size)}):
        for levels in (0, 6, 7, 8, 9, 10):
            nested: Any = value
            for _ in range(levels):
                nested = (nested, {"k": 1})
            if levels and size > 2000:
                continue
            data = serdio.serialize(nested, k=[nested])
            found = serdio.deserialize(data, hook, as_signature=True)
            assert found == ((nested,), {"k": [nested]})
