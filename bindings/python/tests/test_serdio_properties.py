"""Values and bytes that nobody thought of."""

from __future__ import annotations

import copy
import random
import threading
from typing import Any

import msgpack
from hypothesis import given, settings
from hypothesis import strategies as st

import serdio
from notation import same

settings.register_profile("cape", deadline=None, derandomize=True, database=None)
settings.load_profile("cape")

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.complex_numbers(allow_nan=False)
    | st.text()
    | st.binary()
    | st.builds(msgpack.ExtType, st.integers(5, 127), st.binary(max_size=20))
    | st.builds(msgpack.Timestamp, st.integers(-(2**63), 2**63 - 1), st.integers(0, 10**9 - 1))
)
hashable = st.recursive(
    scalars.filter(lambda value: value == value),
    lambda inner: st.lists(inner, max_size=4).map(tuple) | st.frozensets(inner, max_size=4),
    max_leaves=8,
)
values = st.recursive(
    scalars | hashable | st.sets(hashable, max_size=4),
    lambda inner: st.lists(inner, max_size=5)
    | st.lists(inner, max_size=5).map(tuple)
    | st.dictionaries(hashable, inner, max_size=5),
    max_leaves=20,
)


@settings(max_examples=200)
@given(st.lists(values, max_size=4), st.dictionaries(st.text(), values, max_size=3))
def test_every_call_comes_back_as_it_was(args: list[Any], kwargs: dict[str, Any]) -> None:
    kwargs.pop("encoder", None)
    data = serdio.serialize(*args, **kwargs)
    back, named = serdio.deserialize(data, as_signature=True)
    assert same(back, tuple(args))
    assert same(named, kwargs)
    assert same(serdio.deserialize(data), args[0] if len(args) == 1 else tuple(args))


@settings(max_examples=500)
@given(st.binary(max_size=200))
def test_any_bytes_are_decoded_or_refused(data: bytes) -> None:
    for candidate in (data, b"\x81\xad_serdio_args_" + data):
        try:
            serdio.deserialize(candidate, as_signature=True)
        except (ValueError, TypeError):
            pass


def test_mutated_messages_are_decoded_or_refused() -> None:
    chance = random.Random(20)
    seeds = [
        serdio.serialize(1, "two", 3.0, b"four", None, True, [5, (6,)], {"k": {7: (8, 9)}}),
        serdio.serialize({1, 2}, frozenset((3,)), 1 + 2j, a=(1j, [2j]), b={(1, 2): {3}}),
        serdio.serialize(msgpack.Timestamp(1, 2), msgpack.ExtType(9, b"abc"), [[[[(0,)]]]]),
    ]
    refused = 0
    for _ in range(30_000):
        data = bytearray(chance.choice(seeds))
        for _ in range(chance.randint(1, 4)):
            place = chance.randrange(len(data))
            kind = chance.randrange(3)
            if kind == 0:
                data[place] = chance.randrange(256)
            elif kind == 1:
                data[place : place + chance.randint(0, 8)] = chance.randbytes(chance.randint(1, 8))
            else:
                del data[place + 1 :]
        try:
            serdio.deserialize(bytes(data), as_signature=True)
        except (ValueError, TypeError):
            refused += 1
    assert 10_000 < refused < 30_000


def test_threads_do_not_disturb_one_another() -> None:
    calls = [serdio.serialize(n, (n, {n}), k=[(n, n * 1j)]) for n in range(50)]
    wrong: list[Any] = []

    def work() -> None:
        for _ in range(50):
            for n, data in enumerate(calls):
                args, kwargs = serdio.deserialize(data, as_signature=True)
                if (args, kwargs) != ((n, (n, {n})), {"k": [(n, n * 1j)]}):
                    wrong.append(copy.copy(args))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
