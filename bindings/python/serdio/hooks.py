"""The encoder and the decoder of a user's own types, kept together."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar, Union, overload

from serdio import profile

_T = TypeVar("_T")
_NAMES = ("encoder_hook", "decoder_hook")


@dataclasses.dataclass(frozen=True)
class SerdeHookBundle:
    """An encoder for :func:`serdio.serialize` and the decoder that reverses it.

    :param encoder_hook: takes an object that serdio cannot serialize, returns one that it can.
    :param decoder_hook: takes a dict, returns the object that it stands for, or the dict.
    :raises TypeError: one of them is not callable.
    """

    encoder_hook: profile.Hook
    decoder_hook: profile.Hook

    def __post_init__(self) -> None:
        for name in _NAMES:
            if not callable(getattr(self, name)):
                raise TypeError(
                    f"{name} is not callable but {type(getattr(self, name)).__name__}"
                )

    def to_dict(self) -> dict[str, profile.Hook]:
        """The hooks by name: ``encoder_hook`` and ``decoder_hook``."""
        return {name: getattr(self, name) for name in _NAMES}

    def unbundle(self) -> tuple[profile.Hook, profile.Hook]:
        """The hooks as they were given: (encoder_hook, decoder_hook)."""
        return self.encoder_hook, self.decoder_hook


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
