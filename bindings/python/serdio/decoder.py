"""Bytes to the arguments of a call."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Callable, Literal, NoReturn, Union, overload

import msgpack

from serdio import elements, errors, profile
from serdio.brief import is_brief
from serdio.errors import DecodeError
from serdio.hooks import ExtensionDecoder

Signature = tuple[Any, dict[str, Any]]
Data = Union[bytes, bytearray, memoryview]

_NUMBERS = frozenset((bool, int, float, complex))

_SHALLOW = 8
_SMALL = 1024
_NONE: dict[str, Any] = {}
_NO_NAMES = f"the data is no serialized call: {profile.KWARGS} is not a map"

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
    :raises DecodeError: the bytes are not a serialized call, are over the limits of depth and
        size, or decoder failed on them; or more than 128 elements of a set, or keys of a map,
        have one hash. Its ``reason`` says which. It is a ValueError, and a TypeError too.
    :raises TypeError: b is not bytes, or decoder is not callable.

    Up to 256 MiB are taken. Lists, dicts and sets of little take up to 160 times their bytes in
    memory; where that is too much, refuse long messages first.
    """
    if not isinstance(b, (bytes, bytearray, memoryview)):
        raise TypeError(f"serialized data is bytes, not {type(b).__name__}")
    if decoder is not None and not callable(decoder):
        raise TypeError(f"decoder is not callable but {type(decoder).__name__}")
    data = bytes(b)
    if len(data) > profile.MAX_SIZE:
        raise DecodeError(
            f"{len(data)} bytes are more than serdio takes ({profile.MAX_SIZE})", "serdio.size"
        )
    reader = _reader(decoder)
    keep = False
    try:
        args, kwargs = reader.call(data)
        keep = decoder is None and len(data) <= _IDLE_SIZE and reader.levels <= _IDLE_LEVELS
    except DecodeError:
        raise
    except Exception as error:
        _refuse(error)
    finally:
        if keep and len(_idle) < _IDLE_COUNT:
            _idle.append(reader)
        else:
            reader.discard()
    if as_signature:
        return args, kwargs
    return args[0] if len(args) == 1 else args


def _refuse(error: Exception) -> NoReturn:
    """Raises what msgpack found as the one exception for it."""
    if isinstance(error, msgpack.OutOfData):
        raise errors.too_short() from error
    if isinstance(error, msgpack.StackError):
        raise DecodeError("the value is nested too deeply", "serdio.depth") from error
    if isinstance(error, RecursionError):
        raise DecodeError(
            "the value is nested too deeply for the stack that is left", "serdio.depth"
        ) from error
    if isinstance(error, msgpack.FormatError):
        raise DecodeError(
            "the data holds the byte c1, which MessagePack does not use", "serdio.format"
        ) from error
    if isinstance(error, UnicodeDecodeError):
        raise DecodeError("text in the data is not UTF-8", "serdio.utf8") from error
    if isinstance(error, ValueError) and "exceeds max_ext_len" in str(error):
        raise DecodeError("an extension is longer than the data", "serdio.truncated") from error
    if isinstance(error, (ValueError, TypeError)):
        raise DecodeError(f"the data is malformed: {error}", "serdio.type") from error
    raise error


def _reader(custom: profile.Hook | None) -> _Decoder:
    if custom is None:
        try:
            return _idle.pop()
        except IndexError:  # or other threads have taken them
            pass
    return _Decoder(custom)


class _Decoder:
    """Reads one message at a time.

    A payload is read by ``msgpack.unpackb``, which allocates a list as long as the data says it
    will be, so all but a small one is walked first. It also takes 40 kB of stack for each level of
    payloads. From the level of ``_SHALLOW`` on, each has an Unpacker instead, which its siblings
    share, and whose state is on the heap.
    """

    def __init__(self, custom: profile.Hook | None) -> None:
        self._custom = custom
        self._extensions = custom if isinstance(custom, ExtensionDecoder) else None
        self._copies = 0
        self._values = 0
        self._counting = True
        self._unpackers: dict[int, msgpack.Unpacker] = {}
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
        # A byte is a value at most, and a list or dict besides.
        self._counting = 2 * len(data) > profile.MAX_VALUES
        if data and not _is_map(data[0]):
            raise DecodeError("the data is no serialized call: it is not a map", "serdio.envelope")
        args, kwargs = self._plain(data) if self._custom is None else self._entries(data)
        if type(args) is not tuple and type(args) is not list:
            raise DecodeError(
                f"the data is no serialized call: {profile.ARGS} is not a tuple", "serdio.envelope"
            )
        return args, kwargs

    def _plain(self, data: bytes) -> tuple[Any, dict[str, Any]]:
        envelope = self._unpack(data)
        kwargs = envelope.get(profile.KWARGS, _NONE)
        if type(kwargs) is not dict:
            raise DecodeError(_NO_NAMES, "serdio.envelope")
        for name in kwargs:
            if type(name) is not str:
                raise errors.bad_name(name)
        return envelope.get(profile.ARGS), kwargs if kwargs is not _NONE else {}

    def _entries(self, data: bytes) -> tuple[Any, dict[str, Any]]:
        """Read entry by entry, so that the decoder hook sees the values and not the map."""
        unpacker = self._open(data)
        args: Any = None
        kwargs: dict[str, Any] = {}
        for _ in range(unpacker.read_map_header()):
            key = unpacker.unpack()
            if type(key) is not str:
                elements.guarded(elements.hashed, key, "serdio.key")
                unpacker.unpack()
            elif key == profile.ARGS:
                args = unpacker.unpack()
            elif key == profile.KWARGS:
                kwargs = self._kwargs(unpacker)
            else:
                unpacker.unpack()
        return args, kwargs

    def _kwargs(self, unpacker: msgpack.Unpacker) -> dict[str, Any]:
        kwargs: dict[str, Any] = {}
        try:
            count = unpacker.read_map_header()
        except ValueError:
            raise DecodeError(_NO_NAMES, "serdio.envelope") from None
        for _ in range(count):
            name = unpacker.unpack()
            if type(name) is not str:
                raise errors.bad_name(name)
            kwargs[name] = unpacker.unpack()
        return kwargs

    def _unpack(self, payload: bytes) -> Any:
        """One value, with nothing after it."""
        if self._depth >= _SHALLOW:
            return self._open(payload).unpack()
        small = len(payload) <= _SMALL
        if not small and not is_brief(payload):
            self._walk(payload)
        try:
            if small and self._custom is None and not self._counting:
                return msgpack.unpackb(payload, strict_map_key=False, ext_hook=self._extension)
            limit = min(len(payload), profile.MAX_VALUES)
            return msgpack.unpackb(
                payload,
                raw=False,
                strict_map_key=False,
                max_array_len=limit,
                max_map_len=limit,
                ext_hook=self._extension,
                list_hook=self._list if self._counting else None,
                object_pairs_hook=self._map,
            )
        except DecodeError:
            raise
        except msgpack.ExtraData as error:
            raise errors.goes_on() from error
        except TypeError as error:
            raise errors.no_hash(error, "serdio.key") from error
        except ValueError as error:
            if "incomplete input" in str(error):
                raise errors.too_short() from error
            if "exceeds max_" in str(error):
                raise errors.promised(len(payload)) from error
            raise

    def _walk(self, data: bytes) -> msgpack.Unpacker:
        """Looks for the end of the value. Returns the Unpacker of this level, which is empty."""
        unpacker = self._unpackers.get(self._depth)
        if unpacker is None:
            unpacker = self._unpackers[self._depth] = self._unpacker()
        start = unpacker.tell()
        unpacker.feed(data)
        try:
            unpacker.skip()
        except (msgpack.FormatError, msgpack.StackError):
            raise
        except ValueError as error:
            raise errors.promised(len(data)) from error
        if unpacker.tell() - start != len(data):
            raise errors.goes_on()
        return unpacker

    def _open(self, data: bytes) -> msgpack.Unpacker:
        """The Unpacker of this level, fed with one value and nothing after it."""
        unpacker = self._walk(data)
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
            raise DecodeError(
                f"the data holds more than {profile.MAX_VALUES} values", "serdio.size"
            )

    def _list(self, items: list[Any]) -> list[Any]:
        self._count(1 + len(items))
        return items

    def _map(self, pairs: Any) -> Any:
        if type(pairs) is not list:  # but an iterator, from older versions of msgpack without C
            pairs = list(pairs)
        if self._counting:
            self._count(1 + 2 * len(pairs))
        if self._custom is None:
            return elements.guarded(elements.make_dict, pairs, "serdio.key")
        return _hooked(self._custom, elements.guarded(elements.make_dict, pairs, "serdio.key"))

    def _extension(self, code: int, payload: bytes) -> Any:
        if code not in profile.RESERVED:
            return self._foreign(code, payload)
        value = self._nested(payload)
        if code == profile.COMPLEX:
            return _complex(value)
        if code == profile.TUPLE and type(value) is list:
            return tuple(value)
        if type(value) is not list and not isinstance(value, Iterable):
            raise DecodeError(
                f"a tuple or set is made of {type(value).__name__}, which has no elements",
                "serdio.type",
            )
        if isinstance(value, (str, bytes)):
            self._count(len(value))
        return elements.guarded(elements.COLLECTIONS[code], value, "serdio.type")

    def _foreign(self, code: int, payload: bytes) -> Any:
        if code < 0:
            raise DecodeError(
                f"the extension code {code} is MessagePack's own, and means nothing", "serdio.type"
            )
        if self._extensions is not None:
            try:
                return self._extensions.extension(code, payload, self._apart)
            except (DecodeError, RecursionError):
                raise
            except Exception as error:
                raise errors.failed(error) from error
        return msgpack.ExtType(code, payload)

    def _nested(self, payload: bytes) -> Any:
        self._copies -= len(payload)
        if self._copies < 0:
            raise DecodeError(
                "tuples or sets are nested too deeply for the size of the data", "serdio.depth"
            )
        if self._depth == profile.MAX_EXT_DEPTH:
            raise DecodeError(profile.TOO_MANY_EXT, "serdio.depth")
        self._depth += 1
        value = self._unpack(payload)
        self._depth -= 1
        return value

    def _apart(self, payload: bytes) -> Any:
        """As _nested, for a hook: what fails here is not the hook's failure."""
        try:
            return self._nested(payload)
        except DecodeError:
            raise
        except Exception as error:
            _refuse(error)


def _is_map(code: int) -> bool:
    return 0x80 <= code <= 0x8F or code in (0xDE, 0xDF)


def _hooked(hook: Callable[[Any], Any], value: Any) -> Any:
    try:
        return hook(value)
    except DecodeError:
        raise
    except Exception as error:
        raise errors.failed(error) from error


def _complex(value: Any) -> complex:
    """What ``complex(a, b)`` is, of two numbers of which each may be a complex one itself."""
    if isinstance(value, (tuple, list)) and len(value) == 2:
        a, b = value
        if type(a) in _NUMBERS and type(b) in _NUMBERS:
            re = a.real - b.imag if type(b) is complex else a.real
            im = b.real + a.imag if type(a) is complex else b.real
            return complex(re, im)
    raise DecodeError("a complex number is not two numbers", "serdio.type")
