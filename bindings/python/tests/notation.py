"""The notation of the serdio vectors: values that are more than JSON can say."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import struct
import uuid
from typing import Any, Callable

import msgpack


def build(note: dict[str, Any]) -> Any:
    """The Python value that a note of the vectors stands for."""
    make: Callable[[dict[str, Any]], Any] = _BUILDERS[note["t"]]
    return make(note)


def same(one: Any, other: Any) -> bool:
    """Equal, of the same types throughout, floats by their bits and sets without order."""
    return bool(_exact(one) == _exact(other))


def _exact(value: Any) -> list[Any]:
    """The value written out flat, because a comparison of nested ones recurses."""
    written: list[Any] = []
    pending = [value]
    while pending:
        item = pending.pop()
        kind = type(item)
        if kind is float:
            written.append((kind, struct.pack(">d", item)))
        elif kind is complex:
            written.append((kind, struct.pack(">dd", item.real, item.imag)))
        elif kind in (list, tuple, dict):
            written.append((kind, len(item)))
            pending += item.items() if kind is dict else item
        elif kind.__module__ == "numpy":
            written.append((kind, item.dtype.str, item.shape, item.tobytes()))
        elif kind in (datetime.datetime, datetime.time):
            # Beside an offset, fold says nothing.
            written.append((kind, item.isoformat(), item.utcoffset() is None and item.fold))
        elif kind is decimal.Decimal:
            written.append((kind, str(item)))
        elif dataclasses.is_dataclass(item):
            written.append((kind, _exact(vars(item))))
        elif kind in (set, frozenset):
            written.append((kind, sorted(map(_exact, item), key=repr)))
        else:
            written.append((kind, item))
    return written


def _float(note: dict[str, Any]) -> float:
    (value,) = struct.unpack(">d", bytes.fromhex(note["bits"]))
    assert isinstance(value, float)
    return value


_WRAPPERS: dict[str, Callable[[Any], Any]] = {
    "list": lambda value: [value],
    "tuple": lambda value: (value,),
    "dict": lambda value: {"k": value},
}


def _nest(note: dict[str, Any]) -> Any:
    value = build(note["leaf"])
    for _ in range(note["depth"]):
        value = _WRAPPERS[note["of"]](value)
    return value


@dataclasses.dataclass(frozen=True)
class Point:
    x: Any
    y: Any = 0


@dataclasses.dataclass
class Empty:
    pass


#: The dataclasses of the vectors.
CLASSES: dict[str, type] = {"Point": Point, "Empty": Empty}


def _moment(kind: Any) -> Callable[[dict[str, Any]], Any]:
    def make(note: dict[str, Any]) -> Any:
        text = note["v"].removesuffix("f")
        if text.endswith("+00:00:00.000001"):  # which fromisoformat does not know
            zone = datetime.timezone(datetime.timedelta(microseconds=1))
            return kind.fromisoformat(text[:-16]).replace(tzinfo=zone)
        value = kind.fromisoformat(text)
        return value.replace(fold=1) if note["v"].endswith("f") else value

    return make


def _array(note: dict[str, Any]) -> Any:
    import numpy

    data = bytes.fromhex(note["hex"])
    array: Any = numpy.frombuffer(data, note["type"]) if data else numpy.empty(0, note["type"])
    return array.reshape(note["shape"])


def _scalar(note: dict[str, Any]) -> Any:
    import numpy

    if note["type"] == "U":
        return numpy.str_(note["v"])
    if note["type"] == "S":
        return numpy.bytes_(bytes.fromhex(note["hex"]))
    return _array({**note, "shape": ()})[()]


def _dataclass(note: dict[str, Any]) -> Any:
    fields = {name: build(value) for name, value in note["fields"]}
    return CLASSES[note["name"]](**fields)


_BUILDERS: dict[str, Any] = {
    "none": lambda note: None,
    "bool": lambda note: note["v"],
    "int": lambda note: int(note["v"]),
    "float": _float,
    "complex": lambda note: complex(_float(note["re"]), _float(note["im"])),
    "str": lambda note: note["v"],
    "str_repeat": lambda note: note["unit"] * note["n"],
    "bytes": lambda note: bytes.fromhex(note["hex"]),
    "bytes_repeat": lambda note: bytes.fromhex(note["unit_hex"]) * note["n"],
    "bytearray": lambda note: bytearray.fromhex(note["hex"]),
    "list": lambda note: [build(item) for item in note["v"]],
    "list_range": lambda note: list(range(note["n"])),
    "tuple": lambda note: tuple(build(item) for item in note["v"]),
    "set": lambda note: {build(item) for item in note["v"]},
    "frozenset": lambda note: frozenset(build(item) for item in note["v"]),
    "dict": lambda note: {build(key): build(value) for key, value in note["v"]},
    "nest": _nest,
    "ext": lambda note: msgpack.ExtType(note["code"], bytes.fromhex(note["hex"])),
    "array": _array,
    "scalar": _scalar,
    "datetime": _moment(datetime.datetime),
    "date": lambda note: datetime.date.fromisoformat(note["v"]),
    "time": _moment(datetime.time),
    "timedelta": lambda note: datetime.timedelta(microseconds=int(note["us"])),
    "decimal": lambda note: decimal.Decimal(note["v"]),
    "uuid": lambda note: uuid.UUID(note["v"]),
    "dataclass": _dataclass,
    "timestamp": lambda note: msgpack.Timestamp(note["s"], note["ns"]),
}
