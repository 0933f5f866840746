"""One call of a function: its arguments as bytes, and its result from bytes."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Callable, Iterator

from pycape import checks
from pycape.errors import (
    ArgumentError,
    ArgumentOverflowError,
    ArgumentTypeError,
    CapeError,
    SerdioError,
    shown,
)
from pycape.log import listener

if TYPE_CHECKING:
    from serdio.hooks import SerdeHooks


class Arguments:
    """All arguments of a call, for a function whose parameters have the names of those of
    :meth:`Cape.invoke` or :meth:`Cape.run`::

        cape.invoke(pycape.Arguments(1, use_serdio="a value"), use_serdio=True)
    """

    __slots__ = ("args", "kwargs")

    def __init__(self, /, *args: Any, **kwargs: Any) -> None:
        self.args, self.kwargs = args, kwargs


class Call:
    """The arguments of one invoke, encoded before anything is sent."""

    def __init__(
        self,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        serde_hooks: SerdeHooks | None,
        use_serdio: bool,
    ) -> None:
        if len(args) == 1 and isinstance(args[0], Arguments) and not kwargs:
            args, kwargs = args[0].args, args[0].kwargs
        self._serdio = use_serdio or serde_hooks is not None
        self._decoder: Callable[[Any], Any] | None = None
        if not self._serdio:
            self.input = _only_bytes(args, kwargs)
            return
        from serdio import SerdeHookBundle, bundle_serde_hooks
        from serdio.encoder import serialize_call

        encoder = None
        if serde_hooks is not None:
            with _translated("argument.type"):
                hooks = bundle_serde_hooks(serde_hooks)
            if not isinstance(hooks, SerdeHookBundle):
                raise ArgumentTypeError(
                    f"serde_hooks must be a pair of hooks, not {type(hooks).__name__}",
                    reason="argument.type",
                )
            encoder, self._decoder = hooks.unbundle()
        with _translated("argument.serdio"):
            self.input = serialize_call(args, kwargs, encoder)

    def value(self, output: bytes) -> Any:
        """What the function's result says."""
        log = listener()
        if log is not None:
            log.debug("invoked: %d bytes sent, %d received", len(self.input), len(output))
        if not self._serdio:
            return output
        from serdio import deserialize

        try:
            return deserialize(output, self._decoder)
        except (ValueError, TypeError) as error:
            reason = getattr(error, "reason", "serdio.type")
            raise SerdioError(_line(error), reason=reason) from error


@contextlib.contextmanager
def _translated(reason: str) -> Iterator[None]:
    """Makes what serdio raises errors of this package, for what was given to a call."""
    try:
        yield
    except CapeError:
        raise
    except OverflowError as error:
        raise ArgumentOverflowError(_line(error), reason=reason) from error
    except TypeError as error:
        raise ArgumentTypeError(_line(error), reason=reason) from error
    except ValueError as error:
        raise ArgumentError(_line(error), reason=reason) from error


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _only_bytes(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
    values = (*args, *kwargs.values())
    if len(values) != 1:
        raise ArgumentError(
            f"a function takes one input of bytes, not {len(values)}: give one, or use_serdio=True"
            + _for_the_client(kwargs),
            reason="argument.input",
        )
    return checks.data("input", values[0], ": encode it, or use_serdio=True" + _for_the_client(kwargs))


def _for_the_client(kwargs: dict[str, Any]) -> str:
    """What to say of keywords that went to the function."""
    if not kwargs:
        return ""
    from pycape.client import Client

    code = Client.__init__.__code__
    known = code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]
    names = [name for name in kwargs if name in known]
    if len(names) == 1:
        return f"; {names[0]} is an argument of Cape(), and here it went to the function"
    if names:
        return f"; {', '.join(names)} are arguments of Cape(), and here they went to the function"
    name = shown(next(iter(kwargs))[:60])
    return f"; {name} went to the function, as every keyword does that is not the call's own"
