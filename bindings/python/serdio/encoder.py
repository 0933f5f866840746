"""Arguments of a call to bytes."""

from __future__ import annotations

from typing import Any, Collection, Mapping

import msgpack

from serdio import profile
from serdio.hooks import ExtensionEncoder, Nested
from serdio.place import place_of

_LEAVES = frozenset((type(None), bool, int, float, complex, str, bytes, bytearray))
_OWN = frozenset((complex, tuple, set, frozenset))
_NOTHING = object()


def serialize(*args: Any, encoder: profile.Hook | None = None, **kwargs: Any) -> bytes:
    """Serializes the arguments of a call, or the one result of a function.

    Supported are None, bool, int (-2**63 to 2**64-1), float, complex, str, bytes, bytearray,
    memoryview, list, dict, tuple, set, frozenset and ``msgpack.ExtType`` with a code from 5 on.
    A namedtuple arrives as a tuple; instances of other subclasses, and of enums, are refused.

    :param encoder: is called with each object that is none of these, and returns one that is.
        It may return None, or the object itself, for what it does not know.
    :raises TypeError: an object is of no supported type, or encoder is not callable.
    :raises OverflowError: an integer needs more than 64 bits.
    :raises ValueError: nested too deeply, text with lone surrogates, or an extension code that
        serdio uses itself.
    """
    return serialize_call(args, kwargs, encoder)


def serialize_call(
    args: tuple[Any, ...], kwargs: Mapping[str, Any], encoder: profile.Hook | None = None
) -> bytes:
    """As :func:`serialize`, for a call whose keyword arguments may have any name, ``encoder``
    among them.

    :param args: the positional arguments.
    :param kwargs: the keyword arguments by name; their order is kept.
    """
    if encoder is not None and not callable(encoder):
        raise TypeError(f"encoder is not callable but {type(encoder).__name__}")
    if not isinstance(args, (tuple, list)):
        raise TypeError(f"args is a tuple, not {type(args).__name__}")
    envelope: dict[str, Any] = {profile.ARGS: tuple(args)}
    if kwargs:
        for name in kwargs:
            if type(name) is not str:
                raise TypeError(
                    f"the name of a keyword argument is text, not {type(name).__name__}"
                )
        envelope[profile.KWARGS] = dict(kwargs)
    _check(envelope)
    packing = _Encoder(encoder)
    try:
        return packing.pack(envelope)
    except RecursionError:
        raise ValueError("the value is nested too deeply for the stack that is left") from None
    except (TypeError, OverflowError, ValueError, BufferError) as error:
        told = packing.told(error, args, kwargs)
        if told is None:
            raise
        raise told from error


def _told(error: Exception) -> Exception | None:
    """What msgpack raised, with what to do about it; None where it is another's error."""
    text = str(error)
    if text == "Integer value out of range":
        return OverflowError("an integer needs more than 64 bits: send it as text or as bytes")
    if text.startswith("recursion limit exceeded"):
        return ValueError("the value is nested too deeply: does the encoder come to an end?")
    if text.startswith("memoryview:"):
        return TypeError("a memoryview must be contiguous: make bytes of it")
    return None


class _Encoder:
    """Packs one value. It keeps count of the payloads it is inside of, so it serves one call."""

    def __init__(self, custom: profile.Hook | None) -> None:
        self._custom = custom
        self._asked_first = isinstance(custom, ExtensionEncoder)
        self._depth = 0
        self._unknown: Any = _NOTHING

    def pack(self, value: Any) -> bytes:
        packer = msgpack.Packer(default=self._default, strict_types=True, use_bin_type=True)
        if self._depth > profile.MAX_EXT_DEPTH:
            raise ValueError(profile.TOO_MANY_EXT)
        self._depth += 1
        data: bytes = packer.pack(value)
        self._depth -= 1
        return data

    def told(
        self, error: Exception, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Exception | None:
        """What msgpack raised, with what to do about it; None where it is another's error."""
        text = str(error)
        if self._unknown is not _NOTHING:
            if text.startswith("can not serialize"):
                return TypeError(f"{text}: {self._remedy(args, kwargs)}")
            if text.startswith("Cannot serialize "):  # msgpack without C shows the object
                kind = type(self._unknown).__name__
                return TypeError(f"can not serialize {kind!r} object: {self._remedy(args, kwargs)}")
        return _told(error)

    def _remedy(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
        try:
            known = not self._asked_first and _is_extended(type(self._unknown))
            where = place_of(self._unknown, args, kwargs)
        except Exception:  # of an odd class: what is said beside the error must not take its place
            known, where = False, ""
        return (
            "convert it, or give an encoder for it"
            + (", such as the hooks of serdio.ext.Extensions" if known else "")
            + (f"; it is {where}" if where else "")
        )

    def _default(self, value: Any) -> Any:
        """What msgpack asks for each object that it cannot pack as it is."""
        self._unknown = _NOTHING
        items = _items(value)
        if self._custom is not None and (
            items is None or self._asked_first and type(value) not in _OWN
        ):
            replacement = self._custom(value)
            if type(replacement) is Nested and self._asked_first:
                _check(replacement.contents)
                return msgpack.ExtType(replacement.code, self.pack(replacement.contents))
            if replacement is not None and replacement is not value:
                _check(replacement)
                value, items = replacement, _items(replacement)
        if items is None:
            self._unknown = value
            return value  # packed if it now can be; else msgpack says which type it was
        code, contents = items
        return msgpack.ExtType(code, self.pack(contents))


def _is_extended(kind: type) -> bool:
    """Whether serdio.ext has an extension for such objects."""
    module = str(kind.__module__).partition(".")[0]
    return module in ("datetime", "decimal", "uuid", "numpy") or hasattr(kind, "__dataclass_fields__")


def _items(value: Any) -> tuple[int, Any] | None:
    """The extension code of serdio's own types and the value that its payload holds."""
    if type(value) is msgpack.ExtType:
        return None
    if isinstance(value, complex):
        return profile.COMPLEX, (value.real, value.imag)
    if isinstance(value, tuple):
        return profile.TUPLE, list(value)
    if isinstance(value, set):
        return profile.SET, list(value)
    if isinstance(value, frozenset):
        return profile.FROZENSET, list(value)
    return None


def _check(value: Any) -> None:
    """Refuses what msgpack would pack without asking: extension codes that are serdio's own,
    and depth that could exhaust the C stack."""
    pending: list[tuple[Any, int, int]] = [((value,), 0, 0)]
    while pending:
        container, depth, total = pending.pop()
        for items in _contents(container):
            if items and (depth > profile.MAX_DEPTH or total > profile.MAX_TOTAL_DEPTH):
                raise ValueError(
                    f"nested more than {profile.MAX_DEPTH} levels deep in lists and dicts, "
                    f"or {profile.MAX_TOTAL_DEPTH} in all"
                )
            if _LEAVES.issuperset(map(type, items)):
                continue
            for item in items:
                if type(item) is msgpack.ExtType:
                    _check_code(item.code)
                elif type(item) in (list, dict):
                    pending.append((item, depth + 1, total + 1))
                elif isinstance(item, (tuple, set, frozenset)):
                    pending.append((item, 1, total + 1))


def _contents(container: Any) -> tuple[Collection[Any], ...]:
    if type(container) is dict:
        return (container.keys(), container.values())
    return (container,)


def _check_code(code: int) -> None:
    if code in profile.RESERVED:
        raise ValueError(
            f"extension code {code} is serdio's own: "
            f"use a code above {max(profile.RESERVED)} for your types"
        )
