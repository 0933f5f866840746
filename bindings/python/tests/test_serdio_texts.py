"""What serdio says of values that it cannot serialize."""

from __future__ import annotations

from typing import Any

import pytest

import serdio


class Opaque:
    pass


@pytest.mark.parametrize(
    "value, kind, text",
    [
        (Opaque(), TypeError, "'Opaque' object: convert it, or give an encoder for it"),
        ([(Opaque(),)], TypeError, "'Opaque' object: convert it, or give an encoder for it"),
        (2**64, OverflowError, "an integer needs more than 64 bits: send it as text or as bytes"),
        ({-(2**63) - 1}, OverflowError, "an integer needs more than 64 bits"),
        (memoryview(b"abcd")[::2], TypeError, "a memoryview must be contiguous"),
    ],
)
def test_what_cannot_be_serialized_is_an_error_that_says_what_to_do(
    value: Any, kind: type[Exception], text: str
) -> None:
    for call in (lambda: serdio.serialize(value), lambda: serdio.serialize(a=[value])):
        with pytest.raises(kind, match=text) as caught:
            call()
        assert type(caught.value) is kind
        assert not str(caught.value).endswith(".")


def test_an_encoder_that_never_comes_to_an_end_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="nested too deeply") as caught:
        serdio.serialize(Opaque(), encoder=lambda value: [value])
    assert not str(caught.value).endswith(".")


@pytest.mark.parametrize("error", [TypeError("mine"), OverflowError("mine"), BufferError("mine")])
def test_what_an_encoder_raises_is_left_as_it_is(error: Exception) -> None:
    def encoder(value: Any) -> Any:
        raise error

    with pytest.raises(type(error), match="mine") as caught:
        serdio.serialize(Opaque(), encoder=encoder)
    assert caught.value is error
