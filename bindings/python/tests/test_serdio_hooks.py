"""A user's own types."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgpack
import pytest

import serdio


@dataclasses.dataclass
class Point:
    x: int
    y: int


def encode(value: Any) -> Any:
    """As published samples do: what it does not know falls through to None."""
    if isinstance(value, Point):
        return {"point": (value.x, value.y)}
    return None


def decode(value: Any) -> Any:
    return Point(*value["point"]) if "point" in value else value


@pytest.mark.parametrize(
    "value",
    [Point(1, 2), [Point(1, 2)], (Point(1, 2), {"k": Point(3, 4)}), {"k": (Point(1, 2), {7})}],
    ids=repr,
)
def test_a_type_of_the_user_comes_back(value: Any) -> None:
    assert serdio.deserialize(serdio.serialize(value, encoder=encode), decode) == value


def test_a_tuple_may_be_made_of_what_the_decoder_makes_of_a_map() -> None:
    data = bytes.fromhex("81ad5f73657264696f5f617267735f91c7090281a161c40401020304")

    class Broken:
        def __iter__(self) -> Any:
            raise KeyError("broken")

    assert serdio.deserialize(data) == ("a",)
    assert serdio.deserialize(data, lambda value: value) == ("a",)
    assert serdio.deserialize(data, lambda value: value["a"]) == (1, 2, 3, 4)
    assert serdio.deserialize(data, lambda value: iter("xy")) == ("x", "y")
    with pytest.raises(TypeError, match="Point"):
        serdio.deserialize(data, lambda value: Point(1, 2))
    with pytest.raises(ValueError, match="the decoder failed: KeyError"):
        serdio.deserialize(data, lambda value: Broken())


def test_the_encoder_is_asked_about_keyword_arguments() -> None:
    data = serdio.serialize(p=Point(1, 2), encoder=encode)
    assert serdio.deserialize(data, decode, as_signature=True) == ((), {"p": Point(1, 2)})


def test_the_encoder_is_asked_only_about_what_serdio_cannot_encode() -> None:
    asked = []

    def encoder(value: Any) -> Any:
        asked.append(value)
        return str(value)

    serdio.serialize(1, "a", (2, {3}), 1j, Point(1, 2), msgpack.ExtType(9, b""), encoder=encoder)
    assert asked == [Point(1, 2)]


def test_the_encoder_may_answer_with_a_tuple_or_with_another_object_of_its_own() -> None:
    def encoder(value: Any) -> Any:
        return ("point", value.x, [Point(0, 0)] if value.x else None)

    data = serdio.serialize(Point(1, 2), encoder=encoder)
    assert serdio.deserialize(data) == ("point", 1, [("point", 0, None)])


def test_an_integer_that_is_too_big_is_for_the_encoder() -> None:
    data = serdio.serialize([2**70], encoder=str)
    assert serdio.deserialize(data) == [str(2**70)]


@pytest.mark.parametrize("answer", [None, Point(1, 2), object()], ids=["None", "itself", "other"])
def test_an_object_that_the_encoder_does_not_know_is_a_type_error(answer: Any) -> None:
    with pytest.raises(TypeError, match="Point|object"):
        serdio.serialize([Point(1, 2)], encoder=lambda value: answer)


def test_an_encoder_that_never_ends_is_a_value_error() -> None:
    with pytest.raises(ValueError):
        serdio.serialize(Point(1, 2), encoder=lambda value: [value])
    with pytest.raises(ValueError):
        serdio.serialize(Point(1, 2), encoder=lambda value: (value,))


def test_the_encoders_own_exception_is_passed_on() -> None:
    with pytest.raises(ZeroDivisionError):
        serdio.serialize(Point(1, 2), encoder=lambda value: 1 / 0)


def test_the_decoder_sees_the_maps_inside_the_arguments_and_no_other() -> None:
    seen = []

    def decoder(value: Any) -> Any:
        seen.append(dict(value))
        return value

    serdio.deserialize(serdio.serialize({"a": {"b": 1}}, [{"c": 2}], k={"d": 3}), decoder)
    assert seen == [{"b": 1}, {"a": {"b": 1}}, {"c": 2}, {"d": 3}]


@pytest.mark.parametrize("error", [KeyError("x"), AttributeError("x"), RecursionError("x")])
def test_a_decoder_that_fails_is_a_value_error_with_its_cause(error: Exception) -> None:
    def decoder(value: Any) -> Any:
        raise error

    with pytest.raises(ValueError, match=type(error).__name__) as caught:
        serdio.deserialize(serdio.serialize({"a": 1}), decoder)
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", [ValueError("mine"), TypeError("mine")])
def test_a_value_or_type_error_of_the_decoder_is_passed_on(error: Exception) -> None:
    def decoder(value: Any) -> Any:
        raise error

    with pytest.raises(type(error), match="mine"):
        serdio.deserialize(serdio.serialize({"a": 1}), decoder)


@pytest.mark.parametrize("code", [1, 2, 3, 4])
@pytest.mark.parametrize("place", ["argument", "list", "dict", "key", "tuple", "set", "encoder"])
def test_an_extension_code_of_serdio_is_refused_wherever_it_stands(code: int, place: str) -> None:
    ext = msgpack.ExtType(code, b"\x90")
    value: Any = {
        "argument": ext,
        "list": [[ext]],
        "dict": {"k": {"k": ext}},
        "key": {ext: 1},
        "tuple": (1, (ext,)),
        "set": {ext},
        "encoder": Point(1, 2),
    }[place]
    with pytest.raises(ValueError, match=f"code {code}"):
        serdio.serialize(value, encoder=lambda value: {"k": [ext]})
    with pytest.raises(ValueError, match=f"code {code}"):
        serdio.serialize(k=value, encoder=lambda value: ext)


def test_other_extension_codes_pass_through() -> None:
    value = [msgpack.ExtType(0, b"a"), msgpack.ExtType(5, b""), msgpack.ExtType(127, b"abc")]
    assert serdio.deserialize(serdio.serialize(value)) == value


def test_hooks_that_are_no_functions_are_type_errors() -> None:
    hook: Any = 1
    with pytest.raises(TypeError):
        serdio.serialize(1, encoder=hook)
    with pytest.raises(TypeError):
        serdio.deserialize(serdio.serialize(1), hook)
    with pytest.raises(TypeError):
        serdio.SerdeHookBundle(hook, decode)


@dataclasses.dataclass
class CallableHook:
    """A hook with a state, which dataclasses.asdict would have copied."""

    state: list[int]

    def __call__(self, value: Any) -> Any:
        return value


def test_a_bundle_gives_back_the_very_hooks_that_it_was_given() -> None:
    one, two = CallableHook([1]), CallableHook([2])
    bundle = serdio.SerdeHookBundle(one, two)
    assert [hook is given for hook, given in zip(bundle.unbundle(), (one, two))] == [True, True]
    assert bundle.to_dict()["encoder_hook"] is one
    assert bundle.to_dict()["decoder_hook"] is two


@pytest.mark.parametrize(
    "hooks",
    [
        (encode, decode),
        [encode, decode],
        {"encoder_hook": encode, "decoder_hook": decode},
        serdio.SerdeHookBundle(encode, decode),
    ],
    ids=lambda hooks: type(hooks).__name__,
)
def test_hooks_can_be_bundled_from(hooks: Any) -> None:
    assert serdio.bundle_serde_hooks(hooks) == serdio.SerdeHookBundle(encode, decode)


def test_what_is_no_pair_of_hooks_is_refused_or_comes_back() -> None:
    with pytest.raises(ValueError):
        serdio.bundle_serde_hooks({"encoder_hook": encode})
    with pytest.raises(ValueError):
        serdio.bundle_serde_hooks({"encoder_hook": encode, "decode_hook": decode})
    with pytest.raises(TypeError):
        serdio.bundle_serde_hooks([encode])
    assert serdio.bundle_serde_hooks(None) is None
    assert serdio.bundle_serde_hooks(7) == 7
