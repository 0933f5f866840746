"""Hostile bytes: bounded in depth, time and memory, and never a crash."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import tracemalloc
from typing import Any

import pytest

import serdio
from serdio import decoder, profile

ENVELOPE = b"\x81\xad_serdio_args_"


def wrap(payload: bytes, levels: int, code: int = 2) -> bytes:
    """An envelope around payload inside so many extensions."""
    for _ in range(levels):
        payload = b"\xc9" + len(payload).to_bytes(4, "big") + bytes((code,)) + payload
    return ENVELOPE + payload


def tuples(levels: int) -> Any:
    value: Any = 0
    for _ in range(levels):
        value = (value,)
    return value


def lists(levels: int) -> Any:
    value: Any = 0
    for _ in range(levels):
        value = [value]
    return value


def test_depth_up_to_the_limits_comes_back() -> None:
    # The arguments are a tuple themselves, and their list one level of the first payload.
    for value in (tuples(199), lists(510), {"k": lists(509)}, (lists(500), [(lists(500),)])):
        assert serdio.deserialize(serdio.serialize(value)) == value


@pytest.mark.parametrize(
    "value",
    [tuples(201), lists(511), tuples(10**5), lists(10**5)],
    ids=["tuples", "lists", "many tuples", "many lists"],
)
def test_depth_over_the_limits_is_a_value_error(value: Any) -> None:
    with pytest.raises(ValueError, match="inside one another|levels deep"):
        serdio.serialize(value)
    with pytest.raises(ValueError, match="inside one another|levels deep"):
        serdio.serialize(k=value)


def test_depth_counts_through_tuples_too() -> None:
    value = 0
    for _ in range(3):
        value = (lists(400), value)  # type: ignore[assignment]
    serdio.serialize(value)
    inner = lists(400)
    for _ in range(3):
        deep: Any = (inner,)
        for _ in range(400):
            deep = [deep]
        inner = deep
    with pytest.raises(ValueError, match="1024"):
        serdio.serialize(inner)


def test_a_value_that_contains_itself_is_a_value_error() -> None:
    loop: list[Any] = []
    loop += [loop, loop]
    ring: list[Any] = []
    ring += [(ring, ring)]
    table: dict[str, Any] = {}
    table["k"] = [table, table]
    for value in (loop, ring, table):
        with pytest.raises(ValueError):
            serdio.serialize(value)


def test_little_stack_left_is_a_value_error_and_not_a_recursion_error() -> None:
    data = serdio.serialize(tuples(150))

    def deeper(levels: int) -> None:
        if levels:
            deeper(levels - 1)
            return
        with pytest.raises(ValueError, match="stack"):
            serdio.deserialize(data)
        with pytest.raises(ValueError, match="stack"):
            serdio.serialize(tuples(150))

    free = sys.getrecursionlimit()
    frame: Any = sys._getframe()
    while frame is not None:
        free, frame = free - 1, frame.f_back
    deeper(free - 200)


@pytest.mark.parametrize(
    "data",
    [
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        ENVELOPE + b"\xdd\xff\xff\xff\xff",
        ENVELOPE + b"\xc9\xff\xff\xff\xff\x02",
        wrap(b"\xdd\xff\xff\xff\xff" * 1000, 1),
        wrap(b"\xdd\x00\xff\xff\xff" * 1000 + bytes(1 << 24), 1),
        wrap(b"\xdf\x00\x7f\xff\xff" * 1000 + bytes(1 << 24), 1),
        wrap(b"\x91" * (1 << 20) + b"\x90", 1),
        wrap(b"\x90", 201),
        wrap(b"\x90", 20_000),
        wrap(b"\x91" * 1000 + b"\x90", 20_000),
        wrap(b"\x90", 201, code=1),
        wrap(b"\xa1a", 201),
        wrap(b"\xdb\xff\xff\xff\xff", 1),
        wrap(b"\xc6\xff\xff\xff\xff", 1),
    ],
    ids=lambda data: f"{data[:24].hex()}-{len(data)}",
)
def test_counts_and_depths_that_lie_are_refused_at_once(data: bytes) -> None:
    with pytest.raises((ValueError, TypeError)):
        serdio.deserialize(data)


def test_a_large_payload_under_many_extensions_is_not_copied_for_each() -> None:
    run = subprocess.run(
        [
            sys.executable,
            "-c",
            textwrap.dedent(
                """
                import resource, serdio
                from test_serdio_limits import wrap
                size = 8 << 20
                data = wrap(b"\\x91\\xc6" + size.to_bytes(4, "big") + bytes(size), 200)
                resource.setrlimit(resource.RLIMIT_AS, (900 << 20,) * 2)
                try:
                    serdio.deserialize(data)
                except ValueError as error:
                    print(error)
                """
            ),
        ],
        cwd=__file__.rpartition("/")[0],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.stdout == "tuples or sets are nested too deeply for the size of the data\n", run


def test_payloads_that_are_payloads_are_read_as_deep_as_tuples() -> None:
    assert serdio.deserialize(wrap(b"\xa2ab", 200)) == ("a", "b")
    nans = b"\xdd\x00\x01\x00\x00" + b"\xca\x7f\xc0\x00\x00" * (1 << 16)
    for codes in ((2, 3, 4), (3, 2, 4), (4, 3, 2)):
        data = nans
        for n in range(30):
            data = wrap(data, 1, codes[n % 3]).removeprefix(ENVELOPE)
        assert len(serdio.deserialize(ENVELOPE + b"\x91" + data)) == 1 << 16


def test_deep_values_survive_a_thread_with_a_small_stack() -> None:
    run = subprocess.run(
        [
            sys.executable,
            "-c",
            textwrap.dedent(
                """
                import threading, serdio
                from test_serdio_limits import lists, tuples
                def work():
                    for value in (tuples(199), lists(510), (lists(500), [(lists(500),)])):
                        assert serdio.deserialize(serdio.serialize(value)) == value
                    print("done")
                threading.stack_size(1 << 20)
                thread = threading.Thread(target=work)
                thread.start()
                thread.join()
                """
            ),
        ],
        cwd=__file__.rpartition("/")[0],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (run.stdout, run.returncode) == ("done\n", 0), run.stderr


def test_more_bytes_than_the_limit_are_refused_before_they_are_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert profile.MAX_SIZE == 256 << 20
    data = serdio.serialize(bytes(5000))
    monkeypatch.setattr(profile, "MAX_SIZE", len(data))
    monkeypatch.setattr(decoder, "_idle", [])  # what is made under that limit serves nobody else
    assert serdio.deserialize(data) == bytes(5000)
    with pytest.raises(ValueError, match="more than serdio takes"):
        serdio.deserialize(data + b"\x00")


@pytest.mark.parametrize("unit", [b"\x80", b"\x90", b"\x81\x01" * 400 + b"\x80", b"\xd4\x03\x90"])
def test_a_value_takes_no_more_memory_than_the_factor_says(unit: bytes) -> None:
    count = (1 << 18) // len(unit)
    data = ENVELOPE + b"\x91\xdd" + count.to_bytes(4, "big") + unit * count
    tracemalloc.start()
    try:
        value = serdio.deserialize(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(value) == count
    assert 10 < peak / len(data) < profile.MEMORY_FACTOR


@pytest.mark.parametrize("unit", [b"\x80", b"\x90", b"\xc0", b"\x91\xc0", b"\xd4\x03\x90"])
def test_more_values_than_the_limit_are_refused(
    unit: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profile, "MAX_VALUES", 10_000)
    monkeypatch.setattr(decoder, "_idle", [])  # what is made under that limit serves nobody else

    def message(lists: int, units: int) -> bytes:
        inner = b"\xdc" + units.to_bytes(2, "big") + unit * units
        return ENVELOPE + b"\x91\xdd" + lists.to_bytes(4, "big") + inner * lists

    assert len(serdio.deserialize(message(3, 500))) == 3
    with pytest.raises(ValueError):
        serdio.deserialize(message(100, 500))
    with pytest.raises(ValueError):
        serdio.deserialize(message(1, 10_001))


def test_the_characters_of_a_payload_count_as_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profile, "MAX_VALUES", 10_000)
    monkeypatch.setattr(decoder, "_idle", [])
    payload = b"\xda" + (20_000).to_bytes(2, "big") + b"x" * 20_000
    data = ENVELOPE + b"\x91\xc8" + len(payload).to_bytes(2, "big") + b"\x02" + payload
    with pytest.raises(ValueError, match="more than 10000 values"):
        serdio.deserialize(data)


def test_decoders_that_other_threads_take_meanwhile_are_no_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Emptied(list[Any]):
        """Full when asked, and empty when something is to be taken."""

        def __bool__(self) -> bool:
            return True

    monkeypatch.setattr(decoder, "_idle", Emptied())
    assert serdio.deserialize(serdio.serialize(5)) == 5


def test_a_failed_message_leaves_no_trace_in_the_next() -> None:
    good = serdio.serialize((1, (2, {3})), k=[4])
    for cut in range(len(good)):
        with pytest.raises((ValueError, TypeError)):
            serdio.deserialize(good[:cut])
        assert serdio.deserialize(good, as_signature=True) == (((1, (2, {3})),), {"k": [4]})


@pytest.mark.parametrize("value", ["text", None, 7, [1]])
def test_what_is_not_bytes_is_a_type_error(value: Any) -> None:
    with pytest.raises(TypeError):
        serdio.deserialize(value)


def test_bytearray_and_memoryview_are_taken_as_bytes() -> None:
    data = serdio.serialize(5)
    for other in (bytearray(data), memoryview(data)):
        assert serdio.deserialize(other) == 5


@pytest.mark.parametrize("names", [b"\x81\x01\x02", b"\x81\xc4\x01a\x02", b"\xc0", b"\x90"])
def test_keyword_arguments_that_are_no_map_of_names_are_a_value_error(names: bytes) -> None:
    data = b"\x82" + ENVELOPE[1:] + b"\x90" + b"\xaf_serdio_kwargs_" + names
    with pytest.raises(ValueError):
        serdio.deserialize(data)
