"""serdio.ext on values and bytes that nobody thought of."""

from __future__ import annotations

import datetime
from typing import Any

import msgpack
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as of_numpy

import serdio
import serdio.ext
from notation import CLASSES, Empty, Point, same
from serdio import profile
from test_serdio_properties import hashable as plain_hashable

extensions = serdio.ext.Extensions(*CLASSES.values())

offsets = st.timedeltas(
    datetime.timedelta(hours=-23, minutes=-59), datetime.timedelta(hours=23, minutes=59)
)
zones = st.none() | st.builds(datetime.timezone, offsets)
moments = (
    st.datetimes(timezones=zones, allow_imaginary=True)
    | st.builds(lambda moment: moment.replace(fold=1), st.datetimes())
    | st.dates()
    | st.times(timezones=zones)
    | st.timedeltas()
    | st.decimals()
    | st.uuids()
)
dtypes = (
    of_numpy.boolean_dtypes()
    | of_numpy.integer_dtypes(endianness="?")
    | of_numpy.unsigned_integer_dtypes(endianness="?")
    | of_numpy.floating_dtypes(endianness="?", sizes=(16, 32, 64))
    | of_numpy.complex_number_dtypes(endianness="?", sizes=(64, 128))
    | of_numpy.unicode_string_dtypes(endianness="?", min_len=1)
    | of_numpy.byte_string_dtypes(min_len=1)
    | of_numpy.datetime64_dtypes(endianness="?")
    | of_numpy.timedelta64_dtypes(endianness="?")
)
shapes = of_numpy.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)
arrays = of_numpy.arrays(dtypes, shapes)
scalars = dtypes.flatmap(of_numpy.from_dtype).filter(lambda value: hasattr(value, "dtype"))

def _no_extension(value: Any) -> bool:
    """Whether a value holds none by its code, whose payload would be that of no value."""
    if isinstance(value, msgpack.ExtType):
        return not profile.ARRAY <= value.code <= profile.DATACLASS
    return not isinstance(value, (tuple, frozenset)) or all(map(_no_extension, value))


plain = plain_hashable.filter(_no_extension)

# Of a NaN, a signaling one too, no two are equal.
hashable = (
    plain
    | st.dates()
    | st.timedeltas()
    | st.uuids()
    | st.datetimes()
    | st.decimals(allow_nan=False)
)
values = st.recursive(
    plain | moments | arrays | scalars | st.builds(Empty),
    lambda inner: st.builds(Point, inner, inner)
    | st.lists(inner, max_size=4)
    | st.lists(inner, max_size=4).map(tuple)
    | st.sets(hashable, max_size=4)
    | st.dictionaries(hashable, inner, max_size=4),
    max_leaves=10,
)


def native(value: Any) -> Any:
    """The value with its arrays in the byte order of this machine, as which they come back."""
    dtype = getattr(value, "dtype", None)
    if dtype is not None and dtype.byteorder == ">":
        return value.astype(value.dtype.newbyteorder("="))
    if type(value) in (list, tuple):
        return type(value)(map(native, value))
    if type(value) is dict:
        return {key: native(item) for key, item in value.items()}
    if type(value) is Point:
        return Point(native(value.x), native(value.y))
    return value


@settings(max_examples=300)
@given(values)
def test_every_value_comes_back_as_it_was(value: Any) -> None:
    data = serdio.serialize(value, encoder=extensions.encoder_hook)
    assert same(serdio.deserialize(data, extensions.decoder_hook), native(value))


@settings(max_examples=300)
@given(st.one_of(moments, scalars, arrays))
def test_a_value_alone_comes_back_as_it_was(value: Any) -> None:
    data = serdio.serialize(value, encoder=extensions.encoder_hook)
    assert same(serdio.deserialize(data, extensions.decoder_hook), native(value))
    assert serdio.serialize(serdio.deserialize(data)) == data


@settings(max_examples=300)
@given(
    st.integers(profile.ARRAY, profile.DATACLASS),
    st.binary(max_size=40) | st.text("0123456789-+:.TfENa <|ui\n", max_size=30).map(str.encode),
)
def test_any_payload_is_decoded_to_what_it_is_made_of_or_refused(code: int, payload: bytes) -> None:
    data = serdio.serialize(msgpack.ExtType(code, payload))
    try:
        value = serdio.deserialize(data, extensions.decoder_hook)
    except serdio.DecodeError:
        return
    if code != profile.DATACLASS:  # whose payload may have longer headers
        assert serdio.serialize(value, encoder=extensions.encoder_hook) == data
