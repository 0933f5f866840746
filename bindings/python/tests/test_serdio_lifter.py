"""lift_io: functions of values as functions of bytes."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import pytest

import serdio
from test_serdio_hooks import Point, decode, encode


def call(handler: Any, *args: Any, **kwargs: Any) -> Any:
    return serdio.deserialize(handler(serdio.serialize(*args, **kwargs)))


def test_a_bare_decorator_leaves_the_function_callable_and_gives_a_handler() -> None:
    @serdio.lift_io
    def add(x: int, y: int) -> int:
        """Adds."""
        return x + y

    assert isinstance(add, serdio.IOLifter)
    assert add(1, 2) == 3
    assert (getattr(add, "__name__"), add.__doc__) == ("add", "Adds.")
    assert call(add.as_cape_handler(), 1, 2) == 3
    assert call(add.as_bytes_handler(), 1, y=2) == 3
    assert (add.hook_bundle, add.encoder, add.decoder) == (None, None, None)


@pytest.mark.parametrize(
    "hooks",
    [
        {"encoder_hook": encode, "decoder_hook": decode},
        {"hook_bundle": serdio.SerdeHookBundle(encode, decode)},
        {"hook_bundle": (encode, decode)},
    ],
    ids=["two", "bundle", "pair"],
)
def test_hooks_serve_arguments_and_result(hooks: Any) -> None:
    def swap(p: Point) -> Point:
        return Point(p.y, p.x)

    mirror = serdio.lift_io(**hooks)(swap)
    assert mirror.encoder is encode
    assert mirror.decoder is decode
    reply = mirror.as_cape_handler()(serdio.serialize(Point(1, 2), encoder=encode))
    assert serdio.deserialize(reply, decode) == Point(2, 1)


def test_hooks_that_are_dataclass_instances_serve() -> None:
    @dataclasses.dataclass
    class Encoder:
        calls: list[Any]

        def __call__(self, value: Any) -> Any:
            self.calls.append(value)
            return encode(value)

    hook = Encoder([])
    lifted = serdio.lift_io(lambda: Point(1, 2), encoder_hook=hook, decoder_hook=decode)
    lifted.as_cape_handler()(serdio.serialize())
    assert hook.calls == [Point(1, 2)]


def test_as_handler_gives_the_handler_at_once() -> None:
    @serdio.lift_io(as_handler=True)
    def double(x: int) -> int:
        return 2 * x

    assert call(double, 4) == 8
    assert call(serdio.lift_io(lambda x: -x, as_handler=True), 4) == -4


def test_defaults_and_variadic_parameters_are_as_in_a_call() -> None:
    def f(a: int, b: int = 10, *rest: int, c: int = 100, **more: int) -> Any:
        return a, b, rest, c, more

    handler = serdio.lift_io(f).as_cape_handler()
    assert call(handler, 1) == (1, 10, (), 100, {})
    assert call(handler, 1, 2, 3, 4, c=5, d=6) == (1, 2, (3, 4), 5, {"d": 6})
    with pytest.raises(ValueError, match="missing.*'a'"):
        call(handler)


@pytest.mark.parametrize(
    "args, kwargs", [((), {}), ((1,), {}), ((1, 2, 3), {}), ((1, 2), {"y": 3}), ((1,), {"z": 3})]
)
def test_arguments_that_do_not_fit_are_a_value_error(args: Any, kwargs: Any) -> None:
    def add(x: int, y: int) -> int:
        raise AssertionError("called")

    with pytest.raises(ValueError, match=r"do not fit add\(x"):
        call(serdio.lift_io(add).as_cape_handler(), *args, **kwargs)


def test_a_type_error_of_the_function_itself_is_passed_on() -> None:
    def broken(x: int) -> int:
        raise TypeError("mine")

    with pytest.raises(TypeError, match="mine"):
        call(serdio.lift_io(broken).as_cape_handler(), 1)


def test_attributes_of_the_function_do_not_become_those_of_the_lifter() -> None:
    def mirror(p: Point) -> Any:
        return Point(p.y, p.x)

    mirror._function = mirror._bundle = mirror._signature = "mine"  # type: ignore[attr-defined]
    hooks = serdio.SerdeHookBundle(encode, decode)
    lift = serdio.lift_io(hook_bundle=hooks)
    for lifted in (lift(mirror), lift(serdio.lift_io(mirror))):
        assert lifted.hook_bundle is hooks
        reply = lifted.as_cape_handler()(serdio.serialize(Point(1, 2), encoder=encode))
        assert serdio.deserialize(reply, decode) == Point(2, 1)


def test_a_built_in_function_can_be_lifted() -> None:
    assert call(serdio.lift_io(max).as_cape_handler(), 1, 5, 3) == 5


def test_bytes_that_are_no_call_are_a_value_error() -> None:
    with pytest.raises(ValueError):
        serdio.lift_io(lambda x: x).as_cape_handler()(b"\x01")


def test_half_given_or_doubled_hooks_are_value_errors() -> None:
    half: Any = {"encoder_hook": encode}
    with pytest.raises(ValueError):
        serdio.lift_io(**half)
    with pytest.raises(ValueError):
        serdio.lift_io(
            encoder_hook=encode,
            decoder_hook=decode,
            hook_bundle=serdio.SerdeHookBundle(encode, decode),
        )


def test_what_is_no_function_is_a_type_error() -> None:
    wrong: Any = 7
    with pytest.raises(TypeError):
        serdio.lift_io(wrong)
    with pytest.raises(TypeError):
        serdio.lift_io(encoder_hook=wrong, decoder_hook=wrong)(len)
    with pytest.raises(TypeError):
        serdio.lift_io(hook_bundle=wrong)(len)


async def coroutine(x: int) -> int:
    return x


async def generator(x: int) -> Any:
    yield x


class Caller:
    async def __call__(self, x: int) -> int:
        return x

    async def method(self, x: int) -> int:
        return x


@pytest.mark.parametrize(
    "function",
    [coroutine, generator, Caller(), Caller().method, functools.partial(coroutine, 1)],
    ids=["coroutine", "generator", "object", "method", "partial"],
)
def test_an_asynchronous_function_is_refused_at_once(function: Any) -> None:
    for lift in (serdio.lift_io, serdio.lift_io(as_handler=True), serdio.IOLifter):
        with pytest.raises(TypeError, match="asynchronous: lift one that calls it with asyncio.run"):
            lift(function)


@pytest.mark.parametrize("function", [len, functools.partial(max, 1), int, Caller], ids=repr)
def test_what_is_no_function_of_python_can_be_lifted(function: Any) -> None:
    assert serdio.lift_io(function)
