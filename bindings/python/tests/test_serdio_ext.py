"""serdio.ext: the types that are there for who asks."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import json
import subprocess
import sys
import uuid
import zoneinfo
from typing import Any, Callable

import msgpack
import numpy
import pytest

import serdio
import serdio.ext
from conftest import VECTORS
from notation import CLASSES, Empty, Point, build, same
from serdio import profile

FILE = json.loads((VECTORS / "serdio" / "ext.json").read_text())
CASES = {case["name"]: case for case in FILE["cases"]}
REFUSED = {case["name"]: case for case in FILE["refused"]}

extensions = serdio.ext.Extensions(*CLASSES.values())


def back(value: Any, hooks: serdio.SerdeHookBundle = extensions) -> Any:
    data = serdio.serialize(value, encoder=hooks.encoder_hook)
    return serdio.deserialize(data, hooks.decoder_hook)


def test_the_codes_are_those_of_the_vectors() -> None:
    assert {name: getattr(profile, name.upper()) for name in FILE["codes"]} == FILE["codes"]
    assert not profile.RESERVED & set(FILE["codes"].values())


@pytest.mark.parametrize("name", CASES)
def test_a_value_is_encoded_byte_for_byte_and_comes_back(name: str) -> None:
    case = CASES[name]
    args = tuple(build(note) for note in case["args"])
    kwargs = {key: build(note) for key, note in case["kwargs"].items()}
    data = serdio.serialize_call(args, kwargs, extensions.encoder_hook)
    assert data.hex() == case["hex"]
    assert len(data) == case["len"]
    found = serdio.deserialize(data, extensions.decoder_hook, as_signature=True)
    assert same(found[0], args)
    assert same(found[1], kwargs)


@pytest.mark.parametrize("name", CASES)
def test_a_receiver_without_the_set_can_send_it_on_without_loss(name: str) -> None:
    data = bytes.fromhex(CASES[name]["hex"])
    args, kwargs = serdio.deserialize(data, as_signature=True)
    assert serdio.serialize_call(args, kwargs) == data


@pytest.mark.parametrize("name", REFUSED)
def test_payloads_that_no_value_has_are_refused(name: str) -> None:
    case = REFUSED[name]
    payload = bytes.fromhex(case["payload"])
    data = serdio.serialize(msgpack.ExtType(case["code"], payload))
    with pytest.raises(serdio.DecodeError) as caught:
        serdio.deserialize(data, extensions.decoder_hook)
    assert caught.value.reason == case["reason"]
    assert "\n" not in str(caught.value)
    assert serdio.deserialize(data).data == payload


@pytest.mark.parametrize(
    "value",
    [
        datetime.datetime.now(),
        decimal.Decimal(1),
        uuid.UUID(int=1),
        numpy.zeros(2),
        numpy.float64(1),
        Point(1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_without_the_set_these_are_type_errors_as_ever(value: Any) -> None:
    with pytest.raises(TypeError):
        serdio.serialize(value)


def test_the_library_of_arrays_is_imported_only_when_one_comes() -> None:
    program = """if True:
        import sys, datetime
        import serdio.ext
        hooks = serdio.ext.Extensions()
        serdio.serialize(datetime.date.today(), [1], encoder=hooks.encoder_hook)
        assert "numpy" not in sys.modules
        data = bytes.fromhex(sys.argv[1])
        assert serdio.deserialize(data).code == 64 and "numpy" not in sys.modules
        assert serdio.deserialize(data, hooks.decoder_hook).tolist() == [1.0, -0.5, float("inf")]
        sys.modules["numpy"] = None
        try:
            serdio.deserialize(data, hooks.decoder_hook)
        except serdio.DecodeError as error:
            print(error)
    """
    run = subprocess.run(
        [sys.executable, "-c", program, CASES["array_float64"]["hex"]],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.stdout == "the data holds an array of numpy, which is not installed\n", run.stderr


def test_an_array_may_lie_in_memory_as_it_likes() -> None:
    plain = numpy.arange(24, dtype="<i4").reshape(2, 3, 4)
    for array in (
        plain.astype(">i4"),
        numpy.asfortranarray(plain),
        plain[::-1, ::2, 1:],
        plain.T,
        numpy.broadcast_to(plain[0], (5, 3, 4)),
        numpy.frombuffer(b"x" + plain.tobytes(), "<i4", 24, 1),
    ):
        found = back(array)
        assert numpy.array_equal(found, array)
        assert found.dtype == array.dtype.newbyteorder("=")
        assert found.flags.c_contiguous and found.flags.writeable and found.flags.aligned


class Sub(numpy.ndarray[Any, Any]):
    pass


@pytest.mark.parametrize(
    "value",
    [
        numpy.array([object()]),
        numpy.array([None, 1]),
        numpy.zeros(2, "<i4,<f8"),
        numpy.zeros(2, "V3"),
        numpy.zeros(2, numpy.longdouble),
        numpy.longdouble(1),
        numpy.zeros(2, "V3")[0],
        numpy.ma.masked_array([1, 2], [True, False]),
        numpy.zeros(2).view(Sub),
        numpy.zeros((1,) * 33),
    ],
    ids=lambda value: f"{type(value).__name__}-{value.dtype}",
)
def test_arrays_that_would_lose_something_are_type_errors(value: Any) -> None:
    with pytest.raises(TypeError):
        back(value)


class Later(datetime.datetime):
    pass


@pytest.mark.parametrize("value", [Later(2026, 1, 1), type("D", (decimal.Decimal,), {})(1)])
def test_subclasses_that_would_lose_something_are_type_errors(value: Any) -> None:
    with pytest.raises(TypeError):
        back(value)


def test_a_moment_in_a_zone_comes_back_with_its_offset() -> None:
    zone = zoneinfo.ZoneInfo("Europe/Berlin")
    for hour, fold, offset in ((1, 0, 2), (2, 0, 2), (2, 1, 1), (3, 0, 1)):
        value = datetime.datetime(2026, 10, 25, hour, 30, tzinfo=zone, fold=fold)
        found = back(value)
        assert found.isoformat() == value.isoformat()
        assert found.utcoffset() == datetime.timedelta(hours=offset)
    with pytest.raises(ValueError, match="depends on the date"):
        back(datetime.time(12, tzinfo=zone))


def test_a_decimal_does_not_depend_on_the_context() -> None:
    value = decimal.Decimal("1234567890.12345")
    with decimal.localcontext() as context:
        context.prec = 3
        context.traps[decimal.Inexact] = True
        assert str(back(value)) == str(value)


@dataclasses.dataclass
class Reading:
    when: datetime.datetime
    values: Any
    note: str | None = None
    tags: set[str] = dataclasses.field(default_factory=set)
    count: int = dataclasses.field(init=False)
    unit: str = dataclasses.field(default="cm", kw_only=True)

    def __post_init__(self) -> None:
        if self.unit not in ("cm", "mm"):
            raise KeyError("unit")
        self.count = len(self.values)


def message(*contents: Any) -> bytes:
    """A message that holds one dataclass, of these contents."""
    payload = serdio.serialize(list(contents))[len(b"\x81\xad_serdio_args_") :]
    (items,) = msgpack.unpackb(payload, ext_hook=lambda code, data: msgpack.unpackb(data))
    return serdio.serialize(msgpack.ExtType(72, msgpack.packb(items)))


def test_a_dataclass_comes_back_through_its_constructor() -> None:
    hooks = serdio.ext.Extensions(Reading)
    value = Reading(datetime.datetime(2026, 1, 2), [1, (2.0,)], tags={"a"}, unit="mm")
    assert back(value, hooks) == value
    assert back([{"k": (value,)}], hooks) == [{"k": (value,)}]
    found = serdio.deserialize(message("Reading", "values", [1], "when", 5), hooks.decoder_hook)
    assert (found.values, found.when, found.count, found.unit) == ([1], 5, 1, "cm")


@pytest.mark.parametrize(
    "contents",
    [
        ("Other",),
        ("serdio.ext.Extensions",),
        ("Reading",),
        ("Reading", "when", 1, "values", [1], "color", 1),
        ("Reading", "when", 1, "values", [1], "count", 1),
        ("Reading", "when", 1, "values", [1], "__class__", 1),
        ("Reading", "when", 1, "values", [1], "unit", "miles"),
        ("Reading", "when", 1, "values", 1),
    ],
)
def test_only_what_the_receiver_named_is_made(contents: Any) -> None:
    with pytest.raises(serdio.DecodeError):
        serdio.deserialize(message(*contents), serdio.ext.Extensions(Reading).decoder_hook)


def test_a_class_may_have_another_name_on_the_wire() -> None:
    Twin: Any = dataclasses.make_dataclass("Point", [("x", int)])
    with pytest.raises(ValueError, match="two dataclasses have the name 'Point'"):
        serdio.ext.Extensions(Point, Twin)
    with pytest.raises(ValueError, match="twice"):
        serdio.ext.Extensions(Point, names={"p": Point})
    hooks = serdio.ext.Extensions(Point, names={"twin": Twin})
    assert back([Twin(1), Point(2)], hooks) == [Twin(1), Point(2)]
    assert b"twin" in serdio.serialize(Twin(1), encoder=hooks.encoder_hook)


def test_what_is_no_dataclass_or_cannot_be_made_again_is_a_type_error() -> None:
    @dataclasses.dataclass
    class Needy:
        x: int
        seed: dataclasses.InitVar[int]

    wrong: Any
    for wrong in (int, Point(1), "Point", Needy):
        with pytest.raises(TypeError):
            serdio.ext.Extensions(wrong)
    with pytest.raises(TypeError, match="Reading is none of those"):
        back(Reading(datetime.datetime(2026, 1, 2), []), serdio.ext.Extensions(Point))
    with pytest.raises(TypeError):
        serdio.ext.Extensions(hooks=7)  # type: ignore[arg-type]


def test_dataclasses_nest_up_to_the_limit_and_then_fail_cleanly() -> None:
    value: Any = Empty()
    for _ in range(80):
        value = Point(value)
    found = back(value)
    for _ in range(80):
        assert type(found) is Point
        found = found.x
    assert found == Empty()
    loop: Any = dataclasses.make_dataclass("Loop", [("x", Any)])(None)
    loop.x = loop
    with pytest.raises(ValueError):
        back(loop, serdio.ext.Extensions(type(loop)))
    payload = b"\x91\xa5Empty"
    for _ in range(3000):
        payload = b"\x93\xa5Point\xa1x\xc9" + len(payload).to_bytes(4, "big") + b"\x48" + payload
    with pytest.raises(serdio.DecodeError) as caught:
        serdio.deserialize(serdio.serialize(msgpack.ExtType(72, payload)), extensions.decoder_hook)
    assert caught.value.reason == "serdio.depth"


def test_hashes_that_collide_are_refused_here_too() -> None:
    ids = [uuid.UUID(int=n * (2**61 - 1)) for n in range(1, 600)]
    assert len({hash(each) for each in ids}) < 10
    for value in (dict.fromkeys(ids), set(ids)):
        data = serdio.serialize(value, encoder=extensions.encoder_hook)
        with pytest.raises(serdio.DecodeError, match="have one hash"):
            serdio.deserialize(data, extensions.decoder_hook)


Pair = collections.namedtuple("Pair", "a b")


def test_hooks_of_the_user_see_what_is_left() -> None:
    asked: list[Any] = []

    def encode(value: Any) -> Any:
        asked.append(value)
        return {"path": str(value)} if isinstance(value, range) else None

    def decode(value: Any) -> Any:
        return range(7) if "path" in value else value

    hooks = serdio.ext.Extensions(Point, hooks=(encode, decode))
    value = [Point(range(7)), {"n": numpy.complex128(1j)}, Pair(1, 2), 5j, {2}]
    assert back(value, hooks) == [Point(range(7)), {"n": 1j}, (1, 2), 5j, {2}]
    assert asked == [range(7)]
    assert type(back(numpy.complex128(1j))) is numpy.complex128
    assert back(msgpack.ExtType(9, b"x")) == msgpack.ExtType(9, b"x")
    with pytest.raises(TypeError):
        back(object(), hooks)


def test_the_set_serves_wherever_hooks_do() -> None:
    @serdio.lift_io(hook_bundle=extensions)
    def shift(points: list[Point], offset: decimal.Decimal) -> Any:
        return [Point(point.x + offset) for point in points]

    data = serdio.serialize([Point(1)], decimal.Decimal("0.5"), encoder=extensions.encoder_hook)
    found = serdio.deserialize(shift.as_cape_handler()(data), extensions.decoder_hook)
    assert found == [Point(decimal.Decimal("1.5"))]
    assert serdio.bundle_serde_hooks(extensions) is extensions
    assert serdio.bundle_serde_hooks(extensions.to_dict()) == extensions


def test_an_instance_in_place_of_its_class_is_a_type_error() -> None:
    wrong: Any = Unhashable(1)
    with pytest.raises(TypeError, match="an object of Unhashable is none: give the class"):
        serdio.ext.Extensions(wrong)
    with pytest.raises(TypeError, match="an object of Unhashable is none: give the class"):
        serdio.ext.Extensions(names={"a": wrong})


@dataclasses.dataclass
class Unhashable:
    x: int


def test_the_extensions_need_no_import_of_their_own(python: Callable[..., str]) -> None:
    program = """
        import sys, serdio
        print("serdio.ext" in sys.modules, serdio.ext.Extensions().__class__.__name__)
        try:
            serdio.other
        except AttributeError as error:
            print(error)
    """
    assert python(program).splitlines() == ["False Extensions", "module 'serdio' has no attribute 'other'"]
