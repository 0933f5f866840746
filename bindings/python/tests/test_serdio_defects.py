"""What programs knew of the first serdio as faults, one by one."""

from __future__ import annotations

import dataclasses
import pickle
from typing import Any

import msgpack
import pytest

import serdio
from test_serdio_hooks import Point, decode, encode
from test_serdio_limits import ENVELOPE


def refused(data: bytes, decoder: Any = None) -> serdio.DecodeError:
    with pytest.raises(serdio.DecodeError) as caught:
        serdio.deserialize(data, decoder)
    return caught.value


@pytest.mark.parametrize("key", [7, -1, 1.5, True, None, b"k", (1, "a"), frozenset((1, 2)), 2j])
def test_map_keys_that_are_no_text_can_be_decoded(key: Any) -> None:
    value = {key: "v", "n": {key: {key: 1}}}
    assert serdio.deserialize(serdio.serialize(value)) == value
    assert serdio.deserialize(serdio.serialize(k=value), as_signature=True) == ((), {"k": value})


def test_the_encoder_is_applied_to_direct_values_of_keyword_arguments() -> None:
    data = serdio.serialize(1, encoder=encode, p=Point(1, 2), q=[Point(3, 4)])
    wanted = ((1,), {"p": Point(1, 2), "q": [Point(3, 4)]})
    assert serdio.deserialize(data, decode, as_signature=True) == wanted


@pytest.mark.parametrize(
    "value",
    [(1, (2, 3)), [{7}, frozenset((8,))], {"k": ((), {1})}, (1j, [(2j,)]), ({(1, 2)},)],
    ids=repr,
)
def test_an_encoder_that_falls_through_to_none_drops_no_tuples_and_sets(value: Any) -> None:
    data = serdio.serialize(value, encoder=encode, k=value)
    assert data == serdio.serialize(value, k=value)
    assert serdio.deserialize(data, as_signature=True) == ((value,), {"k": value})


def test_an_object_for_which_the_encoder_falls_through_to_none_is_a_type_error() -> None:
    for value in (object(), (object(),), {"k": [object()]}):
        with pytest.raises(TypeError):
            serdio.serialize(value, encoder=encode)


def test_the_decoder_hook_does_not_see_the_envelope() -> None:
    def tripwire(value: Any) -> Any:
        assert not any(str(key).startswith("_serdio") for key in value)
        assert value == {"a": 1}
        return "seen"

    data = serdio.serialize({"a": 1}, k={"a": 1})
    assert serdio.deserialize(data, tripwire, as_signature=True) == (("seen",), {"k": "seen"})
    with pytest.raises(serdio.DecodeError):  # and not even where it stands inside an argument
        serdio.deserialize(serdio.serialize({"b": 1}), tripwire)


def test_the_count_of_arguments_honours_defaults_and_variadic_parameters() -> None:
    def plain(a: int, b: int = 2) -> Any:
        return a, b

    def variadic(*values: int, **named: int) -> Any:
        return values, named

    def keyword(*, name: str = "x") -> Any:
        return name

    def ask(function: Any, *args: Any, **kwargs: Any) -> Any:
        handler = serdio.lift_io(function, as_handler=True)
        return serdio.deserialize(handler(serdio.serialize(*args, **kwargs)))

    assert ask(plain, 1) == (1, 2)
    assert ask(plain, 1, b=3) == (1, 3)
    assert ask(variadic) == ((), {})
    assert ask(variadic, 1, 2, 3, k=4) == ((1, 2, 3), {"k": 4})
    assert ask(keyword) == "x"
    for args in ((), (1, 2, 3)):
        with pytest.raises(ValueError):
            ask(plain, *args)
    with pytest.raises(ValueError):
        ask(keyword, "x")


@pytest.mark.parametrize(
    "data, reason",
    [
        (b"", "serdio.truncated"),
        (ENVELOPE, "serdio.truncated"),
        (ENVELOPE + b"\xdd\xff\xff\xff\xff", "serdio.truncated"),
        (serdio.serialize(1) + b"\x00", "serdio.trailing"),
        (b"\xc1", "serdio.envelope"),
        (ENVELOPE + b"\x91\xc1", "serdio.format"),
        (b"\x01", "serdio.envelope"),
        (b"\x90", "serdio.envelope"),
        (b"\x80", "serdio.envelope"),
        (b"\x81\xa1a\x01", "serdio.envelope"),
        (ENVELOPE + b"\x05", "serdio.envelope"),
        (ENVELOPE + b"\x91\xa1\xff", "serdio.utf8"),
        (ENVELOPE + b"\x91\xc7\x02\x01\x91\x01", "serdio.type"),
        (ENVELOPE + b"\x91\xd4\x01\x90", "serdio.type"),
        (ENVELOPE + b"\x91\xd4\x02\x05", "serdio.type"),
        (ENVELOPE + b"\x91\xd4\xff\x05", "serdio.type"),
        (ENVELOPE + b"\x91\xd4\x80\x05", "serdio.type"),
        (ENVELOPE + b"\x91\xd5\x03\x91\x90", "serdio.type"),
        (ENVELOPE + b"\x91\x81\x90\x01", "serdio.key"),
        (b"\x82" + ENVELOPE[1:] + b"\x90\xaf_serdio_kwargs_\x81\x01\x02", "serdio.key"),
        (b"\x82" + ENVELOPE[1:] + b"\x90\x90\x01", "serdio.key"),
        (ENVELOPE + b"\x91" * 2000 + b"\x90", "serdio.depth"),
        (ENVELOPE + b"\x91\xda\x00", "serdio.truncated"),
        (ENVELOPE + b"\x91\xc9\xff\xff\xff\xff", "serdio.truncated"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[:24].hex(),
)
def test_malformed_input_is_one_documented_exception(data: bytes, reason: str) -> None:
    error = refused(data)
    assert type(error) is serdio.DecodeError
    assert error.reason == reason
    assert str(error) and "\n" not in str(error)
    again = pickle.loads(pickle.dumps(error))
    assert (again.reason, str(again)) == (reason, str(error))
    with pytest.raises(serdio.DecodeError):
        serdio.lift_io(lambda *args: args, as_handler=True)(data)


def test_the_exception_is_the_builtin_ones_that_the_first_serdio_documented() -> None:
    assert issubclass(serdio.DecodeError, ValueError)
    assert issubclass(serdio.DecodeError, TypeError)


@pytest.mark.parametrize(
    "payload, value",
    [
        (b"\x92\xc3\x05", 1 + 5j),
        (b"\x92" + serdio.serialize(1 + 2j)[-25:] + b"\x05", 1 + 7j),
        (b"\x92\x05" + serdio.serialize(1 + 2j)[-25:], 3 + 1j),
    ],
)
def test_a_complex_number_of_what_the_first_serdio_took(payload: bytes, value: complex) -> None:
    data = ENVELOPE + b"\x91\xc7" + bytes([len(payload)]) + b"\x01" + payload
    assert serdio.deserialize(data) == value


@pytest.mark.parametrize("error", [KeyError("k"), ValueError("v"), OverflowError("o")])
def test_what_a_decoder_hook_raises_is_the_cause_of_that_exception(error: Exception) -> None:
    def hook(value: Any) -> Any:
        raise error

    found = refused(serdio.serialize({"a": 1}), hook)
    assert found.__cause__ is error
    assert found.reason == "serdio.type"
    assert type(error).__name__ in str(found)


@dataclasses.dataclass
class Hook:
    """asdict would make a dict of the hook itself, and a copy of what it holds."""

    held: list[int]

    def __call__(self, value: Any) -> Any:
        return value


def test_hooks_that_are_instances_of_dataclasses_stay_unconverted() -> None:
    one, two = Hook([1]), Hook([2])
    bundle = serdio.bundle_serde_hooks((one, two))
    given = [*bundle.unbundle(), *bundle.to_dict().values()]
    assert list(map(id, given)) == list(map(id, (one, two, one, two)))
    assert serdio.SerdeHookBundle(*bundle.unbundle()) == bundle
    assert serdio.SerdeHookBundle(**bundle.to_dict()) == bundle


def test_the_properties_of_a_lifter_without_a_bundle_are_none() -> None:
    lifter = serdio.IOLifter(lambda: 1)
    assert (lifter.encoder, lifter.decoder, lifter.hook_bundle) == (None, None, None)


@pytest.mark.parametrize("code", [1, 2, 3, 4])
def test_the_codes_of_serdio_are_refused_for_extensions_of_the_user(code: int) -> None:
    with pytest.raises(ValueError, match=f"extension code {code} is serdio's own"):
        serdio.serialize(msgpack.ExtType(code, b"\x90"))
    with pytest.raises(ValueError, match=f"extension code {code} is serdio's own"):
        serdio.serialize(Point(1, 2), encoder=lambda value: msgpack.ExtType(code, b"\x90"))


@pytest.mark.parametrize("name", ["encoder", "serde_hooks", "use_serdio", "pcrs", "self", "args"])
def test_keyword_arguments_may_have_any_name(name: str) -> None:
    data = serdio.serialize_call((1,), {name: 2})
    assert serdio.deserialize(data, as_signature=True) == ((1,), {name: 2})
    namespace: dict[str, Any] = {}
    exec(f"def function(*, {name}): return {name}", namespace)
    handler = serdio.lift_io(namespace["function"], as_handler=True)
    assert serdio.deserialize(handler(serdio.serialize_call((), {name: 5}))) == 5


def test_a_call_whose_names_are_no_text_is_a_type_error() -> None:
    names: Any = {1: 2}
    with pytest.raises(TypeError, match="name"):
        serdio.serialize_call((), names)
    with pytest.raises(TypeError, match="args"):
        serdio.serialize_call(5, {})  # type: ignore[arg-type]
