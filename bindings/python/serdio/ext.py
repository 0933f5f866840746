"""More types for those who ask: numpy, dates and times, Decimal, UUID and dataclasses.

Give an :class:`Extensions` to both sides, wherever serdio takes hooks::

    import serdio

    extensions = serdio.ext.Extensions(Point)      # Point is a dataclass of yours

    data = serdio.serialize(value, encoder=extensions.encoder_hook)
    value = serdio.deserialize(data, extensions.decoder_hook)

    @serdio.lift_io(hook_bundle=extensions)         # in the function
    def shift(points, offset): ...

    cape.invoke(points, offset, serde_hooks=extensions)

Each value is a MessagePack extension. A receiver without Extensions gets it as
``msgpack.ExtType``, and can send it on without loss.

====  ==================================  =================================================
Code  Type                                Comes back as
====  ==================================  =================================================
64    numpy.ndarray                       an array of its own memory, in C order and the byte
                                          order of the machine
65    scalars of numpy                    the same scalar
66    datetime.datetime                   the same; an aware one with its offset, not the name
                                          of its zone
67    datetime.date                       the same
68    datetime.time                       the same
69    datetime.timedelta                  the same
70    decimal.Decimal                     the same, with its zeros, signs and NaNs
71    uuid.UUID                           the same
72    dataclasses                         an instance made by the constructor of the class that
                                          the receiver has given
====  ==================================  =================================================

Arrays have up to 32 dimensions, of booleans, integers, floats and complex numbers of up to 64 bits
a part, text, bytes, datetime64 and timedelta64. Arrays of objects and records, of longdouble, and
subclasses of any type here are refused, because something of them would be lost.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Callable, Mapping

import msgpack

from serdio import arrays, moments, profile
from serdio.errors import DecodeError
from serdio.hooks import (
    ExtensionDecoder,
    ExtensionEncoder,
    SerdeHookBundle,
    SerdeHooks,
    bundle_serde_hooks,
)
from serdio.records import Records

__all__ = ["Extensions"]


class Extensions(SerdeHookBundle):
    """The hooks of all the types of this module, to be given wherever serdio takes hooks.

    :param dataclasses: the dataclasses that may be sent or received, each under its ``__name__``.
        Sent are the fields that its constructor takes; the receiver calls the constructor with
        them. Types of fields are not checked: do that in ``__post_init__``.
    :param names: more dataclasses, by the names that they have on the wire.
    :param hooks: hooks of yours for what is still unknown: the encoder is asked about other
        objects, and the decoder about dicts.
    :raises TypeError: what is given is no dataclass, or its constructor takes what is no field;
        or hooks are no pair of hooks.
    :raises ValueError: two classes have one name.
    """

    __slots__ = ()

    def __init__(
        self,
        *dataclasses: type,
        names: Mapping[str, type] | None = None,
        hooks: SerdeHooks | None = None,
    ) -> None:
        classes: dict[str, type] = {}
        named = [(getattr(kind, "__name__", repr(kind)), kind) for kind in dataclasses]
        for name, kind in (*named, *(names or {}).items()):
            if name in classes:
                raise ValueError(f"two dataclasses have the name {name!r}: use names")
            classes[name] = kind
        records = Records(classes)
        bundle = None if hooks is None else bundle_serde_hooks(hooks)
        if bundle is not None and not isinstance(bundle, SerdeHookBundle):
            raise TypeError(f"hooks is no pair of hooks but {type(bundle).__name__}")
        super().__init__(
            _Encoder(records, None if bundle is None else bundle.encoder_hook),
            _Decoder(records, None if bundle is None else bundle.decoder_hook),
        )


class _Encoder(ExtensionEncoder):
    def __init__(self, records: Records, custom: profile.Hook | None) -> None:
        self._records = records
        self._custom = custom

    def __call__(self, value: Any) -> Any:
        found = moments.encode(value) or arrays.encode(value)
        if found is not None:
            return msgpack.ExtType(*found)
        record = self._records.encode(value)
        if record is not None:
            return record
        if isinstance(value, (complex, tuple, set, frozenset)):
            return None  # as which serdio then sends it
        answer = None if self._custom is None else self._custom(value)
        if (answer is None or answer is value) and dataclasses.is_dataclass(value):
            raise TypeError(
                f"the dataclass {type(value).__name__} is none of those given to Extensions"
            )
        return answer


class _Decoder(ExtensionDecoder):
    def __init__(self, records: Records, custom: profile.Hook | None) -> None:
        self._records = records
        self._custom = custom

    def __call__(self, value: dict[Any, Any]) -> Any:
        return value if self._custom is None else self._custom(value)

    def extension(self, code: int, payload: bytes, nested: Callable[[bytes], Any]) -> Any:
        if code in moments.CODES:
            return moments.decode(code, payload)
        if code in (profile.ARRAY, profile.SCALAR):
            return arrays.decode(code, payload)
        if code == profile.DATACLASS:
            return self._records.decode(payload, nested)
        return msgpack.ExtType(code, payload)
