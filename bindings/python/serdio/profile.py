"""What serdio puts on the wire: names, extension codes and limits.

A call is one MessagePack map, ``{"_serdio_args_": args, "_serdio_kwargs_": kwargs}``. The
second entry is left out when it is empty. Types that MessagePack lacks are extensions whose
payload is MessagePack again, by the same rules.
"""

from __future__ import annotations

from typing import Any, Callable

ARGS = "_serdio_args_"
KWARGS = "_serdio_kwargs_"

COMPLEX = 1
TUPLE = 2
SET = 3
FROZENSET = 4
RESERVED = frozenset((COMPLEX, TUPLE, SET, FROZENSET))

# Those of serdio.ext, which are anybody's where it is not used.
ARRAY = 64
SCALAR = 65
DATETIME = 66
DATE = 67
TIME = 68
TIMEDELTA = 69
DECIMAL = 70
UUID = 71
DATACLASS = 72

#: How many lists and dicts of one payload a value may lie in.
MAX_DEPTH = 511

#: The same, counted through tuples and sets too. msgpack packs by recursion on the C stack, so
#: without a limit a deep value would end the process.
MAX_TOTAL_DEPTH = 1024

#: Tuples, sets and complex numbers inside one another. Each is a payload of its own, and takes up
#: to four frames of Python's recursion limit, 1000 unless it was changed.
MAX_EXT_DEPTH = 200
TOO_MANY_EXT = f"more than {MAX_EXT_DEPTH} tuples or sets inside one another"

#: Bytes that :func:`serdio.deserialize` takes.
MAX_SIZE = 256 << 20

#: Lists, dicts and their elements in one message, counted through tuples and sets. It is what
#: bounds memory: an empty list takes 56 bytes, and one byte of the message.
MAX_VALUES = 8 << 20

#: Memory that a value takes is less than this many times the bytes it was made of. Text, bytes and
#: numbers take a few times their size; dicts of one entry inside one another come near the factor,
#: because each is two bytes.
MEMORY_FACTOR = 160

#: A payload inside a payload is copied once for each level it lies under. A message may have
#: this many bytes copied, plus ``COPY_FACTOR`` times its own size.
COPY_FLOOR = 16 << 20
COPY_FACTOR = 8

#: Elements of one set, or keys of one map, that may have the same hash. Python seeds the hashes of
#: text and bytes, but not those of numbers and of tuples, complex numbers and frozensets of them,
#: so a sender can choose ever more that are compared with each other, one by one. Where an honest
#: set has tuples of both -1 and -2, which have one hash, 2 to the power of their length meet.
MAX_SAME_HASH = 128

Hook = Callable[[Any], Any]
