"""The encoder and the decoder of a user's own types, kept together."""

from __future__ import annotations

from typing import Any, Callable, NamedTuple, TypeVar, Union, overload

from serdio import profile

_T = TypeVar("_T")
_NAMES = ("encoder_hook", "decoder_hook")


class Nested(NamedTuple):
    """What an :class:`ExtensionEncoder` answers with for a value that is made of others: the code
    of an extension whose payload is serdio again."""

    code: int
    contents: Any


class ExtensionEncoder:
    """An encoder hook that makes extensions of its own.

    It may answer with a :class:`Nested`, and is asked about subclasses of complex, tuple, set and
    frozenset before serdio makes these of them.
    """

    def __call__(self, value: Any) -> Any:
        """What to put in place of value, or None."""
        raise NotImplementedError


class ExtensionDecoder:
    """A decoder hook that is given the extensions that serdio itself does not know."""

    def __call__(self, value: dict[Any, Any]) -> Any:
        """What the dict stands for, or the dict."""
        raise NotImplementedError

    def extension(self, code: int, payload: bytes, nested: Callable[[bytes], Any]) -> Any:
        """What an extension stands for.

        :param nested: decodes a payload that is serdio again.
        """
        raise NotImplementedError


class SerdeHookBundle:
    """An encoder for :func:`serdio.serialize` and the decoder that reverses it.

    :param encoder_hook: takes an object that serdio cannot serialize, returns one that it can.
    :param decoder_hook: takes a dict, returns the object that it stands for, or the dict.
    :raises TypeError: one of them is not callable.

    A bundle does not change, and equals another one of the same hooks.
    """

    __slots__ = ("_decoder_hook", "_encoder_hook")

    def __init__(self, encoder_hook: profile.Hook, decoder_hook: profile.Hook) -> None:
        for name, hook in zip(_NAMES, (encoder_hook, decoder_hook)):
            if not callable(hook):
                raise TypeError(f"{name} is not callable but {type(hook).__name__}")
        self._encoder_hook = encoder_hook
        self._decoder_hook = decoder_hook

    @property
    def encoder_hook(self) -> profile.Hook:
        """The encoder."""
        return self._encoder_hook

    @property
    def decoder_hook(self) -> profile.Hook:
        """The decoder."""
        return self._decoder_hook

    def to_dict(self) -> dict[str, profile.Hook]:
        """The hooks by name: ``encoder_hook`` and ``decoder_hook``."""
        return dict(zip(_NAMES, self.unbundle()))

    def unbundle(self) -> tuple[profile.Hook, profile.Hook]:
        """The hooks as they were given: (encoder_hook, decoder_hook)."""
        return self._encoder_hook, self._decoder_hook

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SerdeHookBundle):
            return NotImplemented
        return self.unbundle() == other.unbundle()

    def __hash__(self) -> int:
        return hash(self.unbundle())

    def __repr__(self) -> str:
        hooks = ", ".join(f"{name}={hook!r}" for name, hook in self.to_dict().items())
        return f"{type(self).__name__}({hooks})"


#: A bundle, or what :func:`bundle_serde_hooks` makes one of.
SerdeHooks = Union[
    SerdeHookBundle,
    tuple[profile.Hook, profile.Hook],
    list[profile.Hook],
    dict[str, profile.Hook],
]


@overload
def bundle_serde_hooks(hooks: SerdeHooks) -> SerdeHookBundle: ...
@overload
def bundle_serde_hooks(hooks: _T) -> _T: ...
def bundle_serde_hooks(hooks: Any) -> Any:
    """Makes a :class:`SerdeHookBundle` of a pair (encoder, decoder) or of a dict with the keys
    ``encoder_hook`` and ``decoder_hook``. Anything else comes back as it is.

    :raises ValueError: a dict with other keys.
    :raises TypeError: a tuple or list that is not a pair, or a hook that is not callable.
    """
    if isinstance(hooks, dict):
        if set(hooks) != set(_NAMES):
            raise ValueError(f"a dict of hooks has the keys {' and '.join(_NAMES)}")
        return SerdeHookBundle(**hooks)
    if isinstance(hooks, (tuple, list)):
        if len(hooks) != 2:
            raise TypeError(f"hooks are a pair (encoder, decoder), not {len(hooks)} values")
        return SerdeHookBundle(*hooks)
    return hooks
