"""Functions of Python values as functions of bytes."""

from __future__ import annotations

import functools
import types
from typing import TYPE_CHECKING, Any, Callable, Generic, Literal, ParamSpec, TypeVar, overload

from serdio import profile
from serdio.decoder import deserialize
from serdio.encoder import serialize
from serdio.hooks import SerdeHookBundle, SerdeHooks, bundle_serde_hooks

if TYPE_CHECKING:
    import inspect

P = ParamSpec("P")
R = TypeVar("R")
Handler = Callable[[bytes], bytes]


class IOLifter(Generic[P, R]):
    """A function that can be called as ever, and that gives a handler for serialized calls.

    :param f: the function.
    :param hook_bundle: a :class:`SerdeHookBundle`, or what :func:`bundle_serde_hooks` takes,
        when arguments or the result have types of your own.
    :raises TypeError: f, or a hook, is not callable; or f is asynchronous.
    """

    def __init__(self, f: Callable[P, R], hook_bundle: SerdeHooks | None = None) -> None:
        if not callable(f):
            raise TypeError(f"lift_io takes a function, not {type(f).__name__}")
        if _is_asynchronous(f):
            raise TypeError(
                "lift_io takes a function that returns its result, and this one is asynchronous: "
                "lift one that calls it with asyncio.run"
            )
        bundle = None if hook_bundle is None else bundle_serde_hooks(hook_bundle)
        if bundle is not None and not isinstance(bundle, SerdeHookBundle):
            raise TypeError(f"hook_bundle is no bundle of hooks but {type(bundle).__name__}")
        functools.update_wrapper(self, f)  # first, because it copies what f has as attributes
        self._function = f
        self._bundle: SerdeHookBundle | None = bundle
        self._signature: inspect.Signature | None = None

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self._function(*args, **kwargs)

    @property
    def hook_bundle(self) -> SerdeHookBundle | None:
        """The hooks, or None."""
        return self._bundle

    @property
    def encoder(self) -> profile.Hook | None:
        """The encoder hook, or None."""
        return None if self._bundle is None else self._bundle.encoder_hook

    @property
    def decoder(self) -> profile.Hook | None:
        """The decoder hook, or None."""
        return None if self._bundle is None else self._bundle.decoder_hook

    def as_bytes_handler(self) -> Handler:
        """A function from a serialized call to the serialized result.

        It raises ValueError where the arguments do not fit the function, of which
        :class:`serdio.DecodeError` is the one for bytes that are no call.
        """

        def handler(b: bytes) -> bytes:
            args, kwargs = deserialize(b, self.decoder, as_signature=True)
            self._check_arguments(args, kwargs)
            return serialize(self._function(*args, **kwargs), encoder=self.encoder)

        return handler

    def as_cape_handler(self) -> Handler:
        """The handler to assign to ``cape_handler`` in the app.py of a function."""
        return self.as_bytes_handler()

    def _check_arguments(self, args: Any, kwargs: dict[str, Any]) -> None:
        """The function's own TypeError must not be taken for a wrong call, so this comes first."""
        signature = self._signature
        if signature is None:
            import inspect  # here, because it takes longer to import than much of serdio

            try:
                signature = self._signature = inspect.signature(self._function)
            except (ValueError, TypeError):
                return  # some built-in functions have none; calling them tells
        try:
            signature.bind(*args, **kwargs)
        except TypeError as error:
            name = getattr(self._function, "__name__", "the function")
            raise ValueError(f"the arguments do not fit {name}{signature}: {error}") from None


def _is_asynchronous(f: Any) -> bool:
    """Whether a call of it gives a coroutine or an asynchronous generator. The module inspect knows
    too, but takes long to import."""
    while isinstance(f, functools.partial):
        f = f.func
    for function in (f, getattr(type(f), "__call__", None)):
        code = getattr(function, "__code__", None)
        if isinstance(code, types.CodeType) and code.co_flags & _ASYNCHRONOUS:
            return True
    return False


_ASYNCHRONOUS = 0x80 | 0x200  # CO_COROUTINE, CO_ASYNC_GENERATOR


@overload
def lift_io(
    f: Callable[P, R],
    *,
    encoder_hook: profile.Hook | None = None,
    decoder_hook: profile.Hook | None = None,
    hook_bundle: SerdeHooks | None = None,
    as_handler: Literal[False] = False,
) -> IOLifter[P, R]: ...
@overload
def lift_io(
    f: Callable[..., Any],
    *,
    encoder_hook: profile.Hook | None = None,
    decoder_hook: profile.Hook | None = None,
    hook_bundle: SerdeHooks | None = None,
    as_handler: Literal[True],
) -> Handler: ...
@overload
def lift_io(
    f: None = None,
    *,
    encoder_hook: profile.Hook | None = None,
    decoder_hook: profile.Hook | None = None,
    hook_bundle: SerdeHooks | None = None,
    as_handler: Literal[False] = False,
) -> Callable[[Callable[P, R]], IOLifter[P, R]]: ...
@overload
def lift_io(
    f: None = None,
    *,
    encoder_hook: profile.Hook | None = None,
    decoder_hook: profile.Hook | None = None,
    hook_bundle: SerdeHooks | None = None,
    as_handler: Literal[True],
) -> Callable[[Callable[..., Any]], Handler]: ...
def lift_io(
    f: Any = None,
    *,
    encoder_hook: profile.Hook | None = None,
    decoder_hook: profile.Hook | None = None,
    hook_bundle: SerdeHooks | None = None,
    as_handler: bool = False,
) -> Any:
    """Makes an :class:`IOLifter` of a function, as a decorator with or without arguments::

        @serdio.lift_io
        def add(x, y):
            return x + y

        cape_handler = add.as_cape_handler()

    :param encoder_hook, decoder_hook: both or neither; see :class:`SerdeHookBundle`.
    :param hook_bundle: the same in one, in place of the two.
    :param as_handler: return the handler and not the lifter.
    :raises ValueError: one hook without the other, or hooks beside a bundle.
    :raises TypeError: f, or a hook, is not callable; or f is asynchronous.
    """
    if (encoder_hook is None) != (decoder_hook is None):
        raise ValueError("encoder_hook and decoder_hook belong together: give both or neither")
    if encoder_hook is not None:
        if hook_bundle is not None:
            raise ValueError("give either the two hooks or hook_bundle, not both")
        assert decoder_hook is not None
        hook_bundle = (encoder_hook, decoder_hook)

    def lift(function: Callable[..., Any]) -> Any:
        lifter = IOLifter(function, hook_bundle)
        return lifter.as_cape_handler() if as_handler else lifter

    return lift if f is None else lift(f)
