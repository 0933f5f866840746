"""Which function to call."""

from __future__ import annotations

import json
import os
import warnings
from typing import Any, Union

from pycape import caller, checks, config
from pycape.auth import FunctionAuthType as FunctionAuthType
from pycape.errors import ArgumentError, ArgumentTypeError, shown
from pycape.token import Token, is_jwt

_HEX = frozenset("0123456789abcdefABCDEF")
_MEANINGS = {
    "_id": "a function's id",
    "_name": "a function's name",
    "_hash": "a function's checksum",
    "_token": "a function's token",
}


class FunctionRef:
    """A function, by its id or by its name "user/name"::

        FunctionRef("5gWto3hCNkTMxKmpGWfDAf")
        FunctionRef(name="ada/echo", checksum="9d2e...")

    :param function_id: what deploying it, or ``LocalEnclave.functions``, gave; a name will do.
    :param function_hash: SHA-256 of its deployed zip, in hex. Where given, connecting fails with
        :class:`pycape.PolicyError` if the enclave says that it runs another one. The enclave's
        word for it is worth as much as the enclave: pin that with ``policy``. As the second or
        third argument without a name, text with a slash is taken for the function's name, and a
        JSON web token for a token.
    :param id: the same as function_id.
    :param name: "user/name". Where there is an id too, that is what is called.
    :param checksum: the same as function_hash.
    :param token: a token for this function, which goes before the one of the client.
    :raises ValueError: nothing names the function, or two things name it.
    :raises TypeError: something is no text.
    """

    def __init__(
        self,
        function_id: str | None = None,
        function_hash: str | Token | None = None,
        checksum: str | Token | None = None,
        *,
        id: str | None = None,
        name: str | None = None,
        token: str | Token | None = None,
    ) -> None:
        self._id: str | None = None
        self._name: str | None = None
        self._hash: str | None = None
        self._token: str | None = None
        self._auth_type: FunctionAuthType | None = None
        if isinstance(function_id, str) and "/" in function_id:
            self._set("_name", function_id)
        else:
            self._set("_id", function_id)
        self._set("_id", id)
        for value in (function_hash, checksum):
            self._set(_kind(value), value)
        self._set("_name", name)
        self._set("_token", token)
        if self._id is None and self._name is None:
            raise ArgumentError(
                "a function has to be named by its id or its name", reason="argument.function"
            )

    def _set(self, attribute: str, value: Any) -> None:
        if value is None:
            return
        value = value.raw if isinstance(value, Token) else value
        checks.text(value, _MEANINGS[attribute], "argument.function")
        if attribute == "_name":
            _check_full_name(value)
        if getattr(self, attribute) not in (None, value):
            raise ArgumentError(
                f"a function was given two different values as its {attribute[1:]}: give one",
                reason="argument.function",
            )
        setattr(self, attribute, value)

    @property
    def id(self) -> str | None:
        """The id, if that is how the function was named."""
        return self._id

    @property
    def full_name(self) -> str | None:
        """The name, "user/name", if it is known."""
        return self._name

    @property
    def user(self) -> str | None:
        """Whose function it is, if its name is known."""
        return None if self._name is None else str(self._name).partition("/")[0]

    @property
    def name(self) -> str | None:
        """The name without its user, if it is known."""
        return None if self._name is None else str(self._name).partition("/")[2]

    @property
    def checksum(self) -> str | None:
        """The hash that the function must have, or None."""
        return self._hash

    @property
    def token(self) -> str | None:
        """The token for this function, or None."""
        return self._token

    @property
    def auth_type(self) -> FunctionAuthType:
        """Of which kind the token is: one for a function, unless :meth:`set_auth_type` said
        otherwise."""
        return self._auth_type or FunctionAuthType.FUNCTION_TOKEN

    def set_auth_type(self, auth_type: FunctionAuthType) -> None:
        """Says of which kind the token is, for connections made from now on.

        :raises TypeError: it is no :class:`FunctionAuthType`.
        """
        if not isinstance(auth_type, FunctionAuthType):
            raise ArgumentTypeError(
                f"the kind of a token must be a FunctionAuthType, not {type(auth_type).__name__}",
                reason="argument.type",
            )
        self._auth_type = auth_type

    def get_id(self) -> str:
        """The id, or the name where there is none."""
        named = self._name if self._id is None else self._id
        assert named is not None
        return named

    def get_hash(self) -> str | None:
        """The hash that the function must have, or None."""
        return self._hash

    def set_hash(self, function_hash: str | None) -> None:
        """Sets the hash for connections made from now on.

        :raises TypeError: it is neither text nor None.
        """
        self._hash = checks.text(function_hash, _MEANINGS["_hash"], "argument.function")

    @classmethod
    def from_json(cls, function_json: str | os.PathLike[str]) -> FunctionRef:
        """The function of which JSON tells, as ``cape deploy -o json`` and :meth:`to_json` write
        it: ``function_id``, ``function_name``, ``function_checksum``. A ``function_token`` in it is
        left alone, with a warning.

        :param function_json: the JSON, or the path of a file: a ``pathlib.Path``, or text with a
            separator or that ends in ".json".
        :raises ValueError: it cannot be read, or does not name a function.
        :raises TypeError: it is neither text nor a path.
        """
        text, origin = _json_of(function_json)
        try:
            content = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise _unusable(origin, "it is no JSON") from error
        if not isinstance(content, dict):
            raise _unusable(origin, "it is no object")
        names = ("function_id", "function_name", "function_checksum")
        given = {name: content[name] for name in names if content.get(name)}
        if not all(isinstance(value, str) for value in given.values()):
            raise _unusable(origin, "function_id, function_name and function_checksum are texts")
        if "function_id" not in given and "function_name" not in given:
            raise _unusable(origin, "it has neither a function_id nor a function_name")
        if content.get("function_token"):
            warnings.warn(
                f"the function_token of {origin} is left alone: give the token to connect or run",
                stacklevel=caller.level(),
            )
        name = given.get("function_name")
        if name is not None and "/" not in name and "function_id" in given:
            name = None  # the command line knows the user's part by itself
        return cls(id=given.get("function_id"), name=name, checksum=given.get("function_checksum"))

    def to_json(self, path: str | os.PathLike[str] | None = None) -> str:
        """The function as JSON, which is also written to path if there is one. Its token is not
        part of it.

        :raises ValueError: the file cannot be written.
        """
        content = {
            "function_id": self._id,
            "function_name": self._name,
            "function_checksum": self._hash,
        }
        text = json.dumps({name: value for name, value in content.items() if value is not None})
        if path is not None:
            where = config.expanded(path)
            try:
                with open(where, "w", encoding="utf-8") as file:
                    file.write(text + "\n")
            except (OSError, ValueError) as error:
                why = getattr(error, "strerror", None) or "it is no path"
                raise _unusable(f"the function file {shown(where)}", str(why)) from error
        return text

    def __eq__(self, other: object) -> bool:
        return self._known() == other._known() if isinstance(other, FunctionRef) else NotImplemented

    def __hash__(self) -> int:
        return hash((self._id, self._name))

    def _known(self) -> tuple[Any, ...]:
        return self._id, self._name, self._hash, self._token

    def __repr__(self) -> str:
        # What is no checksum may be a token that somebody has put in its place.
        known = self._hash is None or _is_checksum(self._hash)
        shown = [repr(self.get_id()), repr(self._hash) if known else "..."]
        if self._id is not None and self._name is not None:
            shown.append(f"name={self._name!r}")
        return f"FunctionRef({', '.join(shown)})"


#: How a program names a function.
FunctionLike = Union[str, FunctionRef]


def resolve(identifier: str | os.PathLike[str] | FunctionRef, checksum: str | None) -> FunctionRef:
    """The function that a program names. Which files there are does not matter: a path is a
    ``pathlib.Path``, or text that ends in ".json", or that has a separator and is no "user/name".

    :raises ValueError, TypeError: it is not usable.
    """
    if isinstance(identifier, str) and not identifier.endswith(".json"):
        if _is_full_name(identifier):
            return FunctionRef(name=identifier, checksum=checksum)
        if len(identifier) == 22 and identifier.isascii() and identifier.isalnum():
            return FunctionRef(identifier, checksum=checksum)
        if "/" not in identifier and os.sep not in identifier:
            raise ArgumentError(
                f"{checks.quoted(identifier)} names no function: give an id of 22 characters, "
                '"user/name", or the path of a JSON file',
                reason="argument.function",
            )
    found = identifier if isinstance(identifier, FunctionRef) else FunctionRef.from_json(identifier)
    if checksum is None or (found.checksum or "").lower() == str(checksum).lower():
        return found
    if found.checksum is not None:
        raise ArgumentError(
            "checksum and function reference differ: give one", reason="argument.function"
        )
    return FunctionRef(id=found.id, name=found.full_name, checksum=checksum, token=found.token)


def checked_hash(reference: FunctionRef) -> str | None:
    """The hash that the function must have, or None.

    :raises ValueError: it is none.
    """
    given = reference.get_hash()
    if given is not None and not _is_checksum(given):
        raise ArgumentError(
            "the checksum of a function reference must be SHA-256 in hex, 64 digits: "
            "give the one that deploy gave",
            reason="argument.policy",
        )
    return given


def _kind(value: Any) -> str:
    """Which attribute a second or third argument is for."""
    if isinstance(value, Token):
        return "_token"
    if isinstance(value, str) and not _is_checksum(value):
        if "/" in value:
            return "_name"
        if is_jwt(value):
            return "_token"
    return "_hash"  # judged by connect, so that nothing mistyped is taken for no checksum


def _is_checksum(text: str) -> bool:
    return len(text) == 64 and _HEX.issuperset(text)


def _is_full_name(text: str) -> bool:
    parts = text.split("/")
    return len(parts) == 2 and all(
        part
        and part[0] not in ".~"
        and part.isascii()
        and part.translate({ord(sign): None for sign in "_.-"}).isalnum()
        for part in parts
    )


def _check_full_name(name: str) -> None:
    if name.count("/") != 1 or not all(name.split("/")):
        raise ArgumentError(
            f'a function\'s name has the form "user/name", not {checks.quoted(name)}',
            reason="argument.function",
        )


def _json_of(source: Any) -> tuple[str, str]:
    """The text that a source holds, and what to call it in an error."""
    if isinstance(source, str) and source.lstrip().startswith("{"):
        return source, "the function's JSON"
    if isinstance(source, str) and "/" not in source and not source.endswith(".json"):
        raise _unusable("the function's JSON", "it is neither an object nor the path of a file")
    if not isinstance(source, (str, os.PathLike)):
        raise ArgumentTypeError(
            f"a function must be named by text, a path or a FunctionRef, not {type(source).__name__}",
            reason="argument.function",
        )
    path = config.expanded(source)
    try:
        with open(path, encoding="utf-8") as file:
            return file.read(), f"the function file {shown(path)}"
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is not text"
        raise _unusable(f"the function file {shown(path)}", str(why)) from error


def _unusable(origin: str, why: str) -> ArgumentError:
    return ArgumentError(f"{origin} is not usable: {why}", reason="argument.function")
