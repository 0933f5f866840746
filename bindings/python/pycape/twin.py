"""Methods that block, with a twin each that is awaited: ``cape.run(...)`` and ``await
cape.run.aio(...)``, as programs for pycape 3 have it."""

from __future__ import annotations

from typing import Any, Callable, TypeVar, cast

_F = TypeVar("_F", bound=Callable[..., Any])


def with_twin(method: _F) -> _F:
    """Gives a method of :class:`pycape.Cape` the attribute ``aio``, which is the method of the same
    name of :class:`pycape.aio.Cape`, on the same connection."""
    return cast(_F, _Method(method))


class _Method:
    def __init__(self, method: Callable[..., Any]) -> None:
        self._method = method

    def __get__(self, client: Any, owner: type) -> Any:
        return self._method if client is None else _Bound(self._method, client)


# A method of one client.
class _Bound:
    __slots__ = ("__func__", "__self__")

    def __init__(self, method: Callable[..., Any], client: Any) -> None:
        self.__func__, self.__self__ = method, client

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return self.__func__(self.__self__, *args, **kwargs)

    @property
    def aio(self) -> Any:
        """The twin."""
        from pycape import aio

        twin = aio.Cape.__new__(aio.Cape)
        twin.__dict__ = self.__self__.__dict__  # one client in two forms
        return getattr(twin, self.__func__.__name__)

    @property
    def __doc__(self) -> str | None:  # type: ignore[override]
        return self.__func__.__doc__

    def _plain(self) -> Any:
        return self.__func__.__get__(self.__self__)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._plain(), name)

    @property
    def __signature__(self) -> Any:
        import inspect

        return inspect.signature(self._plain())

    def __repr__(self) -> str:
        return repr(self._plain())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Bound) and self._plain() == other._plain()

    def __hash__(self) -> int:
        return hash(self._plain())
