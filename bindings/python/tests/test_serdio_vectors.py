"""The cases that every language runs: tests/vectors/serdio."""

from __future__ import annotations

import builtins
import collections
import dataclasses
import datetime
import decimal
import enum
import hashlib
import json
import os
import subprocess
import sys
from typing import Any

import pytest

import serdio
from conftest import VECTORS
from notation import build, same


def _cases() -> dict[str, dict[str, Any]]:
    recorded = json.loads((VECTORS / "serdio" / "serdio.json").read_text())
    mended = json.loads((VECTORS / "serdio" / "mended.json").read_text())
    cases = {case["name"]: case for case in recorded["cases"] + recorded["decode_only"]}
    for entry in mended["mended"]:
        case = cases[entry["name"]]
        for key, value in entry["patch"].items():
            case.pop(key, None)
            if value is not None:
                case[key] = value
    return cases


def _further() -> dict[str, dict[str, Any]]:
    further = json.loads((VECTORS / "serdio" / "further.json").read_text())
    return {case["name"]: case for case in further["cases"] + further["decode_only"]}


CASES = _cases()
FURTHER = _further()
REASONS: dict[str, str] = json.loads((VECTORS / "serdio" / "mended.json").read_text())["reasons"]


@dataclasses.dataclass
class P:
    x: Any
    y: Any


class MyInt(int):
    pass


class IE(enum.IntEnum):
    THREE = 3


Pair = collections.namedtuple("Pair", "a b")

# These have two faults: a payload ends too early, and its bytes go on after it. Python may walk a
# level to its end before it reads the payloads in it, and then names the outer one.
OUTER_FIRST = {
    "ext_of_4294967295",
    "tuple_of_4294967295",
    "array_of_tuple_beyond_its_payload",
    "element_cut_by_its_payload",
    "tuple_of_text_beyond_its_payload",
    "tuple_of_tuple_beyond_its_payload",
    "tuple_of_tuple_without_code",
}

# The calls that the vectors give in words.
IN_WORDS: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "unsupported_object": ((object(),), {}),
    "unsupported_datetime": ((datetime.datetime.now(datetime.timezone.utc),), {}),
    "unsupported_decimal": ((decimal.Decimal(1),), {}),
    "int_subclass": ((MyInt(3),), {}),
    "intenum": ((IE.THREE,), {}),
    "dict_subclass": ((collections.OrderedDict(a=1),), {}),
    "namedtuple": ((Pair(1, 2),), {}),
    "memoryview": ((memoryview(b"abc"),), {}),
    "range": ((range(3),), {}),
    "hook_top_level": ((P(1, 2.0),), {}),
    "hook_in_list": (([P(1, 2.0)],), {}),
    "hook_in_tuple": (((P(1, 2.0), 3),), {}),
    "hook_in_dict_kwargs": ((), {"k": {"p": P(1, 2.0)}}),
    "hook_two_args": ((P(1, 2.0), P(3, 4.0)), {}),
    "hook_encoder_no_decoder": ((P(1, 2.0),), {}),
    "hook_encoder_returns_none_for_builtin": (((1, 2),), {}),
    "hook_encoder_returns_none_nested": ((((1, 2), 3),), {}),
    "hook_decoder_applied_to_envelope": ((1,), {}),
}


def _encode_p(value: Any) -> Any:
    if isinstance(value, P):
        return {"__type__": "P", "fields": {"x": value.x, "y": value.y}}
    return value


def _decode_p(value: Any) -> Any:
    return P(**value["fields"]) if "__type__" in value else value


HOOKS: dict[str, Any] = {
    "P(x,y) -> {'__type__':'P','fields':{'x':x,'y':y}}; everything else unchanged": _encode_p,
    "returns None for anything but P": lambda v: _encode_p(v) if isinstance(v, P) else None,
    "map with '__type__' -> P(**fields); else unchanged": _decode_p,
    "returns a tuple for every map": lambda value: tuple(value.items()),
}


def _call(case: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if "args_python" in case:
        return IN_WORDS[case["name"]]
    args = tuple(build(note) for note in case["args"])
    return args, {name: build(note) for name, note in case["kwargs"].items()}


def _names(*fields: str, of: dict[str, dict[str, Any]] = CASES) -> list[str]:
    return [name for name, case in of.items() if any(field in case for field in fields)]


def test_each_case_is_for_encoding_or_for_decoding() -> None:
    encoding, decoding = _names("args", "args_python"), _names("input_hex")
    assert (len(encoding), len(decoding)) == (105, 17)
    assert sorted(encoding + decoding) == sorted(CASES)
    assert set(_names("args_python")) == set(IN_WORDS)


@pytest.mark.parametrize("name", _names("args", "args_python"))
def test_a_call_is_encoded_byte_for_byte_and_decoded_as_it_was(name: str) -> None:
    _check_call(CASES[name])


def _check_call(case: dict[str, Any]) -> None:
    args, kwargs = _call(case)
    encoder, decoder = HOOKS[case["encoder"]] if "encoder" in case else None, None
    if "decoder" in case:
        decoder = HOOKS[case["decoder"]]
    if "serialize_error" in case:
        with pytest.raises(getattr(builtins, case["serialize_error"])):
            serdio.serialize(*args, encoder=encoder, **kwargs)
        return
    data = serdio.serialize(*args, encoder=encoder, **kwargs)
    _check_bytes(data, case)
    if "deserialize" in case:
        assert same(serdio.deserialize(data, decoder), build(case["deserialize"]))
    if "as_signature" in case:
        wanted = case["as_signature"]
        back, named = serdio.deserialize(data, decoder, as_signature=True)
        assert type(back).__name__ == wanted["args_type"]
        assert same(list(back), [build(note) for note in wanted["args"]])
        assert same(named, {key: build(note) for key, note in wanted["kwargs"].items()})
    if "deserialize_repr" in case:
        assert repr(serdio.deserialize(data, decoder)) == case["deserialize_repr"]
    if "as_signature_repr" in case:
        signature = serdio.deserialize(data, decoder, as_signature=True)
        assert repr(signature) == case["as_signature_repr"]


def _check_bytes(data: bytes, case: dict[str, Any]) -> None:
    compared = False
    if "hex" in case:
        assert data.hex() == case["hex"]
        compared = True
    if "hex_prefix" in case:
        assert data.hex().startswith(case["hex_prefix"])
        assert data.hex().endswith(case["hex_suffix"])
    if "sha256" in case:
        assert hashlib.sha256(data).hexdigest() == case["sha256"]
        compared = True
    assert compared, "the case names no bytes"
    assert len(data) == case["len"]


@pytest.mark.parametrize("name", _names("input_hex"))
def test_bytes_of_another_writer_are_decoded_or_refused(name: str) -> None:
    case = CASES[name]
    data = bytes.fromhex(case["input_hex"])
    if "error" not in case:
        assert repr(serdio.deserialize(data)) == case["result_repr"]
        return
    wanted = ValueError if case["is_value_error"] else getattr(builtins, case["error"])
    with pytest.raises(wanted) as caught:
        serdio.deserialize(data)
    assert caught.value.reason == REASONS[name]


@pytest.mark.parametrize("name", _names("args", of=FURTHER))
def test_a_further_call_is_encoded_byte_for_byte_and_decoded_as_it_was(name: str) -> None:
    if name == "nested_510_dicts" and "MSGPACK_PUREPYTHON" in os.environ:
        pytest.skip("needs the C half of msgpack: the other packs each dict with two of Python's 1000 frames")
    _check_call(FURTHER[name])


@pytest.mark.parametrize("name", _names("input", of=FURTHER))
def test_further_bytes_of_another_writer_are_decoded_or_refused(name: str) -> None:
    case = FURTHER[name]
    data = b"".join(bytes.fromhex(part) * times for part, times in case["input"])
    if "reason" not in case:
        assert same(serdio.deserialize(data), build(case["deserialize"]))
        return
    with pytest.raises(serdio.DecodeError) as caught:
        serdio.deserialize(data)
    wanted = {case["reason"], "serdio.trailing" if name in OUTER_FIRST else case["reason"]}
    assert caught.value.reason in wanted


@pytest.mark.skipif(
    "MSGPACK_PUREPYTHON" in os.environ, reason="this run is the one without C already"
)
def test_the_cases_hold_on_msgpack_without_its_c_extension() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", __file__],
        env={**os.environ, "MSGPACK_PUREPYTHON": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stdout
