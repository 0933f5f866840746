"""The Python half of the tests in which Go and Python agree on serdio.

``values SEED COUNT`` writes random values, a line of JSON each: the notation of the vectors, and
the bytes that serdio makes of them. ``decode`` reads messages, each after its length in four
bytes, and answers each with what serdio makes of it: a byte that is 1 where it was decoded,
another where it was decoded with serdio.ext, and after a length in four bytes what it is
serialized to again, or why it was refused, its reason first. 9 stands for an exception that
should not be.
"""

from __future__ import annotations

import json
import random
import struct
import sys
import traceback
from typing import Any, BinaryIO

import serdio
import serdio.ext
from notation import CLASSES, build

EXTENSIONS = serdio.ext.Extensions(*CLASSES.values())

Noted = tuple[Any, dict[str, Any]]


class Values:
    """Random values, each with its notation."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)

    def call(self) -> dict[str, Any]:
        args = [self._any(3) for _ in range(self._length())]
        kwargs = {self._text(): self._any(2) for _ in range(self._chance.randrange(3))}
        data = serdio.serialize_call(
            tuple(value for value, _ in args),
            {name: value for name, (value, _) in kwargs.items()},
            EXTENSIONS.encoder_hook,
        )
        return {
            "args": [note for _, note in args],
            "kwargs": {name: note for name, (_, note) in kwargs.items()},
            "hex": data.hex(),
            "len": len(data),
        }

    def _any(self, depth: int, hashable: bool = False) -> Noted:
        kinds = [self._leaf, self._leaf, self._extension]
        if depth > 0:
            kinds += [lambda: self._sequence(tuple, depth, hashable)]
            kinds += [lambda: self._members(frozenset, depth)]
            if not hashable:
                kinds += [lambda: self._sequence(list, depth, False)]
                kinds += [lambda: self._members(set, depth), lambda: self._dict(depth)]
        return self._chance.choice(kinds)()

    def _leaf(self) -> Noted:
        kind = self._chance.randrange(8)
        note: dict[str, Any]
        if kind == 0:
            note = {"t": "none"}
        elif kind == 1:
            note = {"t": "bool", "v": self._chance.random() < 0.5}
        elif kind == 2:
            bits = self._chance.choice((4, 7, 8, 15, 16, 31, 32, 63))
            note = {"t": "int", "v": str(self._chance.randint(-(2**bits), 2 ** (bits + 1) - 1))}
            if bits == 63:
                note["v"] = str(self._chance.choice((-(2**63), 2**63 - 1, 2**63, 2**64 - 1)))
        elif kind == 3:
            note = self._float()
        elif kind == 4:
            note = {"t": "complex", "re": self._float(), "im": self._float()}
        elif kind == 5:
            note = {"t": "str", "v": self._text()}
        elif kind == 6:
            note = {"t": "bytes", "hex": self._bytes().hex()}
        else:
            code = self._chance.choice((0, 5, 63, 73, 127))
            note = {"t": "ext", "code": code, "hex": self._bytes().hex()}
        return build(note), note

    def _extension(self) -> Noted:
        chance = self._chance
        kind = chance.randrange(5)
        note: dict[str, Any]
        if kind == 0:
            day = chance.randint(1, 9999), chance.randint(1, 12), chance.randint(1, 28)
            clock = chance.randrange(24), chance.randrange(60), chance.randrange(60)
            second = "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}".format(*day, *clock)
            end = chance.choice(("", ".000001", "f", "+00:00", "-11:30", ".500000+01:02:03"))
            note = {"t": "datetime", "v": second + end}
        elif kind == 1:
            note = {"t": "timedelta", "us": str(chance.randint(-(10**18), 10**18))}
        elif kind == 2:
            sign = chance.choice(("", "-"))
            digits = str(chance.randrange(10 ** chance.randint(1, 30)))
            text = f"{sign}{digits}E{chance.randint(-40, 40)}"
            note = {"t": "decimal", "v": str(build({"t": "decimal", "v": text}))}
        elif kind == 3:
            digits = chance.randbytes(16).hex()
            cuts = (0, 8, 12, 16, 20, 32)
            note = {"t": "uuid", "v": "-".join(digits[a:b] for a, b in zip(cuts, cuts[1:]))}
        else:
            name, width = chance.choice((("<f8", 8), ("|u1", 1), ("<i4", 4), ("<M8[ms]", 8)))
            note = {"t": "scalar", "type": name, "hex": chance.randbytes(width).hex()}
        return build(note), note

    def _sequence(self, kind: type, depth: int, hashable: bool) -> Noted:
        items = [self._any(depth - 1, hashable) for _ in range(self._length())]
        note = {"t": kind.__name__, "v": [note for _, note in items]}
        return kind(value for value, _ in items), note

    def _members(self, kind: type, depth: int) -> Noted:
        notes = self._distinct(depth)
        value = kind(notes)
        return value, {"t": kind.__name__, "v": [notes[each] for each in value]}

    def _dict(self, depth: int) -> Noted:
        keys = self._distinct(depth)
        items = {key: self._any(depth - 1) for key in keys}
        notes = [[keys[key], note] for key, (_, note) in items.items()]
        return {key: value for key, (value, _) in items.items()}, {"t": "dict", "v": notes}

    def _distinct(self, depth: int) -> dict[Any, Any]:
        notes: dict[Any, Any] = {}
        for _ in range(self._length()):
            value, note = self._any(depth - 1, True)
            notes.setdefault(value, note)
        return notes

    def _float(self) -> dict[str, Any]:
        special = (0.0, -0.0, 1.0, float("inf"), float("-inf"), float("nan"), self._chance.random())
        bits = struct.pack(">d", self._chance.choice(special))
        return {"t": "float", "bits": bits.hex()}

    def _text(self) -> str:
        return "".join(self._chance.choices("a\0\"é世😀\u2028\ufffd", k=self._length()))

    def _bytes(self) -> bytes:
        return self._chance.randbytes(self._length() + 250 * self._chance.randrange(2))

    def _length(self) -> int:
        """Mostly small, and at times around the lengths at which headers grow."""
        chance = self._chance.randrange(40)
        return self._chance.randint(14, 17) if chance == 0 else self._chance.randrange(4)


def answer(data: bytes) -> bytes:
    plain, extended, text = 1, 1, b""
    try:
        args, kwargs = serdio.deserialize(data, as_signature=True)
        text = serdio.serialize_call(args, kwargs)
    except serdio.DecodeError as error:
        plain, text = 0, f"{error.reason} {error}".encode()
    except Exception:
        plain, text = 9, traceback.format_exc().encode()
    try:
        serdio.deserialize(data, EXTENSIONS.decoder_hook)
    except serdio.DecodeError:
        extended = 0
    except Exception:
        extended, text = 9, traceback.format_exc().encode()
    return struct.pack(">BBI", plain, extended, len(text)) + text


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    while header := source.read(4):
        sink.write(answer(source.read(int.from_bytes(header, "big"))))
    sink.flush()


if __name__ == "__main__":
    if sys.argv[1] == "values":
        values = Values(int(sys.argv[2]))
        for _ in range(int(sys.argv[3])):
            print(json.dumps(values.call()))
    else:
        serve(sys.stdin.buffer, sys.stdout.buffer)
