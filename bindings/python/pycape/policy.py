"""Which enclaves a caller accepts, in the forms that callers may give it."""

from __future__ import annotations

import json
import os
from typing import Any, Collection, Mapping, Union

from pycape.errors import ArgumentError, ArgumentTypeError, shown

#: "any", the path of a JSON file, or the object that such a file holds: ``pcrs``
#: ({"0": ["hex", ...]}), ``function_checksum``, ``max_age_ms``, ``allow_debug`` and more.
PolicyLike = Union[str, "os.PathLike[str]", Mapping[str, Any]]


def read(policy: PolicyLike | None) -> str | dict[str, Any] | None:
    """The policy as cape.h wants it. What it says is for the library to judge.

    :raises ValueError: the file cannot be read, or says something twice.
    :raises TypeError: it is something else.
    """
    if policy is None:
        return None
    if policy == "any":
        return "any"
    if isinstance(policy, Mapping):
        return dict(policy)
    if isinstance(policy, str) and policy.strip().lower() == "any":
        raise ArgumentError('policy "any" is written just so', reason="argument.policy")
    if not isinstance(policy, (str, os.PathLike)):
        raise ArgumentTypeError(
            f'policy must be "any", a dict or the path of a JSON file, not {type(policy).__name__}',
            reason="argument.policy",
        )
    if isinstance(policy, str) and policy.lstrip().startswith("{"):
        raise ArgumentError(
            "the policy is JSON in a text: give a dict, as json.loads makes it, or a path",
            reason="argument.policy",
        )
    try:
        with open(policy, "rb") as file:
            content = json.loads(file.read(), object_pairs_hook=_unique)
    except OSError as error:
        raise _unusable(policy, str(error.strerror)) from error
    except ValueError as error:
        raise _unusable(policy, str(error)) from error
    except RecursionError:
        raise _unusable(policy, "it is nested too deeply") from None
    if content == "any":
        return "any"
    if not isinstance(content, dict):
        raise _unusable(policy, 'it holds neither an object nor "any"')
    return content


def pin(
    policy: str | dict[str, Any] | None, function_hash: str | None
) -> str | dict[str, Any] | None:
    """The policy that also asks for this function. "any" leaves open which enclave it is in."""
    if function_hash is None:
        return policy
    pinned = {} if policy is None or isinstance(policy, str) else dict(policy)
    pinned.pop("any", None)
    checksum = pinned.setdefault("function_checksum", function_hash)
    if str(checksum).lower() != str(function_hash).lower():
        raise ArgumentError(
            "policy and function reference ask for different function checksums: give one",
            reason="argument.policy",
        )
    return pinned


#: Values, in hex, by the index of a PCR: {"0": ["1f0c..."], "1": "9d2e..."}.
PCRs = Union[Mapping[str, Collection[str]], Mapping[int, Collection[str]]]


def with_pcrs(
    policy: str | dict[str, Any] | None, pcrs: PCRs | None, in_place: bool = False
) -> str | dict[str, Any] | None:
    """The policy that also asks for these measurements.

    :param in_place: they go before those of the policy. Else both hold.
    :raises ValueError: no enclave can meet both.
    :raises TypeError: pcrs is no mapping.
    """
    if pcrs is None:
        return policy
    if not isinstance(pcrs, Mapping):
        raise ArgumentTypeError(
            f'pcrs must be a dict such as {{"0": ["<hex>"]}}, not {type(pcrs).__name__}',
            reason="argument.policy",
        )
    pinned = {} if policy is None or isinstance(policy, str) else dict(policy)
    known = pinned.get("pcrs") or {}
    together = {str(index): values for index, values in dict(known).items()}
    for index, values in pcrs.items():
        wanted, present = _values(values), together.get(str(index))
        if present is not None and not in_place:
            wanted = [value for value in wanted if str(value).lower() in map(str.lower, _values(present))]
            if not wanted:
                raise ArgumentError(
                    f"policy and pcrs ask for different values of PCR {index}: give one",
                    reason="argument.policy",
                )
        together[str(index)] = wanted
    pinned.pop("any", None)
    return pinned | {"pcrs": together}


def of_any_function(policy: str | dict[str, Any] | None) -> str | dict[str, Any] | None:
    """The policy without what it says of a function, for requests that concern none."""
    if not isinstance(policy, dict):
        return policy
    return {name: value for name, value in policy.items() if name not in ("function_checksum", "key_checksum")}


def _values(values: Any) -> list[Any]:
    return list(values) if isinstance(values, (list, tuple, set, frozenset)) else [values]


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return content


def _unusable(path: Any, why: str) -> ArgumentError:
    return ArgumentError(
        f"the policy file {shown(os.fspath(path))} is not usable: {why}", reason="argument.policy"
    )
