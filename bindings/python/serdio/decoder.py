"""Bytes to the arguments of a call."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, Callable, Literal, Union, overload

import msgpack

from serdio import profile

Signature = tuple[Any, dict[str, Any]]
Data = Union[bytes, bytearray, memoryview]

# Of these alone nobody can make many that have the same hash. A NaN is hashed by its identity.
_SPREAD = frozenset((type(None), bool, int, float, str, bytes))

# To make an Unpacker costs more than to read a small message with it, so a few decoders are
# kept for the next call of any thread. One that failed, or grew, is not.
_IDLE_COUNT = 8
_IDLE_SIZE = 1 << 16
_IDLE_LEVELS = 8
_idle: list[_Decoder] = []


@overload
def deserialize(
    b: Data, decoder: profile.Hook | None = None, as_signature: Literal[False] = False
) -> Any: ...
@overload
def deserialize(
    b: Data, decoder: profile.Hook | None = None, *, as_signature: Literal[True]
) -> Signature: ...
@overload
def deserialize(
    b: Data, decoder: profile.Hook | None, as_signature: Literal[True]
) -> Signature: ...
def deserialize(
    b: Data, decoder: profile.Hook | None = None, as_signature: bool = False
) -> Any:
    """Deserializes what :func:`serdio.serialize` made. Any input is safe to give.

    Where other writers have put text, bytes, a map or a tuple in place of the list that a tuple,
    set or frozenset is made of, the answer is what ``tuple()`` makes of it: characters, integers,
    keys or elements.

    :param decoder: is called with each dict inside the arguments and returns what to put in
        its place; a dict that it does not know it returns as it is.
    :param as_signature: return ``(args, kwargs)``. Otherwise keyword arguments are dropped, and
        the answer is the one positional argument, or a tuple when there are none or several.
    :raises ValueError, TypeError: the bytes are not a serialized call, are over the limits of
        depth and size, or decoder failed on them; or more than 128 elements of a set, or keys of
        a map, have one hash. Nothing else is raised.

    Up to 256 MiB are taken. Lists, dicts and sets of little take up to 160 times their bytes in
    memory; where that is too much, refuse long messages first.
    """
    if not isinstance(b, (bytes, bytearray, memoryview)):
        raise TypeError(f"serialized data is bytes, not {type(b).__name__}")
    if decoder is not None and not callable(decoder):
        raise TypeError(f"decoder is not callable but {type(decoder).__name__}")
    data = bytes(b)
    if len(data) > profile.MAX_SIZE:
        raise ValueError(f"{len(data)} bytes are more than serdio takes ({profile.MAX_SIZE})")
    reader = _reader(decoder)
    keep = False
    try:
        args, kwargs = reader.call(data)
        keep = decoder is None and len(data) <= _IDLE_SIZE and reader.levels <= _IDLE_LEVELS
    except msgpack.UnpackException as error:
        raise ValueError("the data ends before the value does") from error
    except RecursionError as error:
        raise ValueError("the value is nested too deeply for the stack that is left") from error
    finally:
        if keep and len(_idle) < _IDLE_COUNT:
            _idle.append(reader)
        else:
            reader.discard()
    if as_signature:
        return args, kwargs
    return args[0] if len(args) == 1 else args


def _reader(custom: profile.Hook | None) -> _Decoder:
    if custom is None:
        try:
            return _idle.pop()
        except IndexError:  # or other threads have taken them
            pass
    return _Decoder(custom)


class _Decoder:
    """Reads one message at a time.

    Each level of nested payloads has an Unpacker, which its siblings share. Its state is on
    the heap; ``msgpack.unpackb`` would take 40 kB of stack for each level. A payload is walked
    with ``skip`` before anything is built from it, because msgpack allocates a list as long as
    the data says it will be.
    """

    def __init__(self, custom: profile.Hook | None) -> None:
        self._custom = custom
        self._copies = 0
        self._values = 0
        self._unpackers: list[msgpack.Unpacker] = []
        self._depth = 0

    @property
    def levels(self) -> int:
        return len(self._unpackers)

    def discard(self) -> None:
        """Frees the buffers now. They refer back to this object, and would otherwise stay until
        the garbage collector looks."""
        self._unpackers.clear()

    def call(self, data: bytes) -> Signature:
        self._copies = profile.COPY_FLOOR + profile.COPY_FACTOR * len(data)
        self._values = profile.MAX_VALUES
        unpacker = self._open(data)
        args: Any = None
        kwargs: dict[str, Any] = {}
        for _ in range(_map_header(unpacker, "the data")):
            key = unpacker.unpack()
            if key == profile.ARGS:
                args = unpacker.unpack()
            elif key == profile.KWARGS:
                kwargs = self._kwargs(unpacker)
            else:
                unpacker.skip()
        if not isinstance(args, (tuple, list)):
            raise TypeError(f"the data is no serialized call: {profile.ARGS} is not a tuple")
        return args, kwargs

    def _kwargs(self, unpacker: msgpack.Unpacker) -> dict[str, Any]:
        """Read entry by entry, so that the decoder hook sees the values and not the map."""
        kwargs: dict[str, Any] = {}
        for _ in range(_map_header(unpacker, profile.KWARGS)):
            name = unpacker.unpack()
            if not isinstance(name, str):
                raise ValueError(
                    f"the name of a keyword argument is not text but {type(name).__name__}"
                )
            kwargs[name] = unpacker.unpack()
        return kwargs

    def _open(self, data: bytes) -> msgpack.Unpacker:
        """The Unpacker of this level, fed with one value and nothing after it."""
        if self._depth == len(self._unpackers):
            self._unpackers.append(self._unpacker())
        unpacker = self._unpackers[self._depth]
        start = unpacker.tell()
        unpacker.feed(data)
        unpacker.skip()
        if unpacker.tell() - start != len(data):
            raise ValueError("there is data after the end of the value")
        unpacker.feed(data)
        return unpacker

    def _unpacker(self) -> msgpack.Unpacker:
        return msgpack.Unpacker(
            raw=False,
            strict_map_key=False,
            read_size=4096,
            max_buffer_size=profile.MAX_SIZE,
            max_array_len=profile.MAX_VALUES,
            max_map_len=profile.MAX_VALUES,
            ext_hook=self._extension,
            list_hook=self._list,
            object_pairs_hook=self._map,
        )

    def _count(self, values: int) -> None:
        self._values -= values
        if self._values < 0:
            raise ValueError(f"the data holds more than {profile.MAX_VALUES} values")

    def _list(self, items: list[Any]) -> list[Any]:
        self._count(1 + len(items))
        return items

    def _map(self, pairs: list[tuple[Any, Any]]) -> Any:
        self._count(1 + 2 * len(pairs))
        if self._custom is None:
            return _dict(pairs)
        return _guarded(self._custom, _guarded(_dict, pairs))

    def _extension(self, code: int, payload: bytes) -> Any:
        if code not in profile.RESERVED:
            return msgpack.ExtType(code, payload)
        value = self._nested(payload)
        if code == profile.COMPLEX:
            return _complex(value)
        if type(value) is not list and not isinstance(value, Iterable):
            raise TypeError(
                f"a tuple or set is made of {type(value).__name__}, which has no elements"
            )
        if isinstance(value, (str, bytes)):
            self._count(len(value))
        make = _COLLECTIONS[code]
        return make(value) if self._custom is None else _guarded(make, value)

    def _nested(self, payload: bytes) -> Any:
        self._copies -= len(payload)
        if self._copies < 0:
            raise ValueError("tuples or sets are nested too deeply for the size of the data")
        if self._depth == profile.MAX_EXT_DEPTH:
            raise ValueError(profile.TOO_MANY_EXT)
        self._depth += 1
        value = self._open(payload).unpack()
        self._depth -= 1
        return value


def _elements(items: Iterable[Any]) -> Iterable[Any]:
    if isinstance(items, (str, bytes)):
        return items
    elements = items if type(items) is list else list(items)
    _check_hashes(elements)
    return elements


def _dict(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    if len(pairs) > profile.MAX_SAME_HASH:
        _check_hashes([key for key, _ in pairs])
    return dict(pairs)


def _check_hashes(items: list[Any]) -> None:
    """Refuses what a hash table would take quadratic time for. Hashes themselves are integers,
    of which only a few can have the same one."""
    if len(items) <= profile.MAX_SAME_HASH or _SPREAD.issuperset(map(type, items)):
        return
    if max(Counter(map(hash, items)).values()) > profile.MAX_SAME_HASH:
        raise ValueError(
            f"more than {profile.MAX_SAME_HASH} elements of a set, or keys of a map, have one hash"
        )


_COLLECTIONS: dict[int, Callable[[Any], Any]] = {
    profile.TUPLE: tuple,
    profile.SET: lambda items: set(_elements(items)),
    profile.FROZENSET: lambda items: frozenset(_elements(items)),
}


def _guarded(function: Callable[[Any], Any], value: Any) -> Any:
    """Calls the decoder, or what asks objects that it made for their elements and hashes."""
    try:
        return function(value)
    except (ValueError, TypeError):
        raise
    except Exception as error:
        raise ValueError(f"the decoder failed: {type(error).__name__}: {error}") from error


def _map_header(unpacker: msgpack.Unpacker, what: str) -> int:
    try:
        return int(unpacker.read_map_header())
    except ValueError:
        raise ValueError(f"the data is no serialized call: {what} is not a map") from None


def _complex(value: Any) -> complex:
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise ValueError("a complex number is not two numbers")
    return complex(value[0], value[1])
