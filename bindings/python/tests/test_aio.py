"""pycape.aio: calls that are awaited, under asyncio and under uvloop."""

from __future__ import annotations

import asyncio
import gc
import inspect
import re
import subprocess
import sys
import threading
import time
from typing import Any, Awaitable, Callable

import pytest

import pycape
import pycape.aio
from conftest import ROOT, descriptors, handles
from pycape import LocalEnclave
from test_interrupts import PATIENCE, interrupted

Run = Callable[[Callable[[], Awaitable[Any]]], Any]


def run_with(loop: asyncio.AbstractEventLoop, main: Callable[[], Awaitable[Any]]) -> Any:
    try:
        return loop.run_until_complete(main())
    finally:
        loop.close()


def factory_of(name: str) -> Callable[[], asyncio.AbstractEventLoop]:
    if name == "uvloop":
        module = pytest.importorskip("uvloop", reason="needs uvloop, which is not installed")
        return module.new_event_loop  # type: ignore[no-any-return]
    return asyncio.new_event_loop


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a coroutine function in an event loop of its own, which is then closed."""
    factory = factory_of(request.param)
    return lambda main: run_with(factory(), main)


def settles(value: Callable[[], Any], wanted: Any) -> bool:
    """Whether a value that other threads change comes to be the wanted one."""
    deadline = time.monotonic() + 20
    while value() != wanted and time.monotonic() < deadline:
        time.sleep(0.02)
    return bool(value() == wanted)


def test_it_has_the_names_and_parameters_of_the_blocking_client() -> None:
    def names(client: type) -> set[str]:
        return {name for name in dir(client) if not name.startswith("_")}

    assert names(pycape.aio.Cape) == names(pycape.Cape)
    at_once = {"function", "token", "report", "function_context"}
    for name in names(pycape.Cape) - {"report"}:
        blocking, awaited = getattr(pycape.Cape, name), getattr(pycape.aio.Cape, name)
        assert inspect.signature(awaited) == inspect.signature(blocking)
        assert inspect.iscoroutinefunction(awaited) == (name not in at_once), name
        assert not inspect.iscoroutinefunction(blocking)
        assert awaited.__doc__
    assert inspect.signature(pycape.aio.Cape) == inspect.signature(pycape.Cape)


def test_importing_pycape_imports_no_asyncio(python: Callable[..., str]) -> None:
    program = """
        import sys, pycape
        pycape.Cape(access_token="some-token")
        print("asyncio" in sys.modules, "pycape.aio" in sys.modules)
    """
    assert python(program) == "False False"


def test_connect_invoke_run_close(enclave: LocalEnclave, run: Run) -> None:
    async def main() -> None:
        async with pycape.aio.Cape(enclave=enclave) as cape:
            with pytest.raises(pycape.ClosedError):
                await cape.invoke(b"x")
            await cape.connect("local/echo")
            assert "connected" in repr(cape)
            assert cape.report is not None and cape.report["verdict"] == "accepted"
            assert await cape.invoke(b"hello") == b"hello"
            assert await cape.invoke({"k": (1, 2)}, use_serdio=True) == {"k": (1, 2)}
            assert await cape.run("local/pythagorean", 3, b=4, use_serdio=True) == 5
            assert await cape.invoke(b"still here") == b"still here"
            await cape.connect("local/pythagorean")
            assert await cape.invoke(8, 15, use_serdio=True) == 17
            await cape.close()
            await cape.close()
            with pytest.raises(pycape.ClosedError):
                await cape.invoke(b"x")
            await cape.connect("local/echo")
        assert "closed" in repr(cape)

    run(main)


@pytest.mark.parametrize("size", [0, 1, 4096, 4097, 1 << 20, 16 << 20])
def test_payloads_come_back_whole(enclave: LocalEnclave, size: int) -> None:
    data = (bytes(range(256)) * (size // 256 + 1))[:size]

    async def main() -> bytes:
        return bytes(await pycape.aio.Cape(enclave=enclave).run("local/echo", data))

    assert asyncio.run(main()) == data


def test_errors_are_those_of_the_blocking_client(enclave: LocalEnclave, run: Run) -> None:
    async def main() -> None:
        async with pycape.aio.Cape(enclave=enclave, timeout=0.4) as cape:
            await cape.connect("local/mischief")
            with pytest.raises(pycape.FunctionError, match="LookupError: as asked"):
                await cape.invoke(b"raise")
            with pytest.raises(pycape.ArgumentTypeError):
                await cape.invoke("text")
            with pytest.raises(pycape.SerdioError):
                await cape.invoke("garbage", use_serdio=True)
            wrong: Any = 7
            with pytest.raises(TypeError):
                await cape.connect(wrong)
            with pytest.raises(pycape.CapeTimeoutError) as late:
                await cape.invoke(b"sleep 20")
            assert late.value.reason == "timeout.outcome_unknown"
            enclave.set_faults("expired_leaf")
            with pytest.raises(pycape.AttestationError) as refused:
                await cape.connect("local/echo")
            assert refused.value.report is not None
            assert refused.value.report["verdict"] == "refused"
            assert cape.report is None

    run(main)
    assert settles(lambda: handles()["operations"], 0)


def test_without_a_policy_a_task_is_warned_of_by_the_line_that_runs_its_loop(
    enclave: LocalEnclave,
) -> None:
    async def main() -> None:
        cape = pycape.aio.Cape(enclave.url, attestation_root=enclave.attestation_root)
        await asyncio.create_task(cape.connect("local/echo"))
        await asyncio.wait_for(cape.run("local/echo", b"x"), 10)
        await cape.close()

    with pytest.warns(pycape.UnpinnedWarning) as caught:
        asyncio.run(main())
    assert [warning.filename for warning in caught] == [__file__] * 2


def test_without_a_policy_the_line_that_connects_is_warned_of(enclave: LocalEnclave) -> None:
    async def main() -> None:
        cape = pycape.aio.Cape(enclave.url, attestation_root=enclave.attestation_root)
        with pytest.warns(pycape.UnpinnedWarning) as caught:
            await cape.connect("local/echo")
            await cape.run("local/echo", b"x")
        await cape.close()
        assert [warning.filename for warning in caught] == [__file__] * 2

    asyncio.run(main())


def test_1000_invokes_at_once_on_8_connections(enclave: LocalEnclave, run: Run) -> None:
    threads = threading.active_count()

    async def main() -> None:
        capes = [pycape.aio.Cape(enclave=enclave) for _ in range(8)]
        await asyncio.gather(*(cape.connect("local/echo") for cape in capes))
        inputs = [f"{number} ".encode() * (1 + number % 900) for number in range(1000)]
        calls = [capes[number % 8].invoke(data) for number, data in enumerate(inputs)]
        waiting = asyncio.gather(*calls)
        await asyncio.sleep(0)
        assert threading.active_count() == threads
        assert handles()["operations"] == 1000, "they are not under way at once"
        assert handles()["queues"] == 1
        assert await waiting == inputs
        for cape in capes:
            await cape.close()

    before = descriptors()
    run(main)
    assert settles(lambda: handles()["connections"], 0)
    assert (handles()["operations"], handles()["queues"]) == (0, 0)
    assert settles(lambda: descriptors() <= before, True)


def test_all_that_ended_while_the_loop_was_busy_is_told(enclave: LocalEnclave, run: Run) -> None:
    async def main() -> None:
        async with pycape.aio.Cape(enclave=enclave) as cape:
            await cape.connect("local/echo")
            begun = pycape.counters()["bytes_received"]
            tasks = [asyncio.ensure_future(cape.invoke(b"x" * 30)) for _ in range(700)]
            await asyncio.sleep(0)
            replies = 700 * 40  # at the least: they are base64
            assert settles(lambda: pycape.counters()["bytes_received"] - begun > replies, True)
            time.sleep(0.05)
            assert await asyncio.gather(*tasks) == [b"x" * 30] * 700

    run(main)


def test_the_loop_goes_on_while_a_call_waits(enclave: LocalEnclave, run: Run) -> None:
    async def main() -> int:
        async with pycape.aio.Cape(enclave=enclave) as cape:
            await cape.connect("local/mischief")
            call = asyncio.ensure_future(cape.invoke(b"sleep 0.4"))
            turns = 0
            while not call.done():
                await asyncio.sleep(0.005)
                turns += 1
            await call
            return turns

    assert run(main) > 10


# Giving up.


def test_cancelling_a_task_cancels_its_invoke_and_no_other(
    enclave: LocalEnclave, run: Run
) -> None:
    async def main() -> None:
        async with pycape.aio.Cape(enclave=enclave) as cape:
            await cape.connect("local/mischief")
            failed = pycape.counters()["invokes_failed"]
            first = asyncio.ensure_future(cape.invoke(b"sleep 20"))
            second = asyncio.ensure_future(cape.invoke(b"sleep 20"))
            last = asyncio.ensure_future(cape.invoke(b"last"))
            await asyncio.sleep(0.1)
            assert handles()["operations"] == 3
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first
            assert handles()["operations"] == 2
            assert pycape.counters()["invokes_failed"] == failed + 1
            second.cancel()
            last.cancel()
            await asyncio.wait([second, last])
            assert second.cancelled() and last.cancelled()

    run(main)
    assert handles()["operations"] == 0


def test_a_cancelled_call_leaves_the_connection_to_the_others(
    enclave: LocalEnclave, run: Run
) -> None:
    async def main() -> bytes:
        async with pycape.aio.Cape(enclave=enclave) as cape:
            await cape.connect("local/mischief")
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(cape.invoke(b"sleep 0.4"), 0.1)
            return bytes(await cape.invoke(b"next"))

    assert run(main) == b"next"


def test_cancelling_a_task_cancels_its_connect(enclave: LocalEnclave, run: Run) -> None:
    enclave.set_faults("silent_start")

    async def main() -> None:
        cape = pycape.aio.Cape(enclave=enclave)
        for call in (cape.connect("local/echo"), cape.run("local/echo", b"x")):
            start = time.monotonic()
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(call, 0.2)
            assert time.monotonic() - start < 2

    before = handles()
    run(main)
    assert handles() == before


def test_an_operation_that_ends_as_its_task_is_cancelled_leaves_nothing(
    enclave: LocalEnclave, run: Run
) -> None:
    """Whichever comes first, in whatever turn of the loop."""

    async def main() -> None:
        async with pycape.aio.Cape(enclave=enclave) as cape:
            await cape.connect("local/echo")
            for number in range(200):
                task = asyncio.ensure_future(cape.invoke(b"x"))
                for _ in range(number % 20):
                    await asyncio.sleep(0)
                if number % 3 == 0:
                    time.sleep(0.001)
                task.cancel()
                await asyncio.wait([task])
                assert task.cancelled() or task.result() == b"x"
            [queue] = [q for q in gc.get_objects() if isinstance(q, pycape._ffi.Queue)]
            assert queue._waiting == {}
            assert await cape.invoke(b"last") == b"last"

    run(main)
    assert handles()["operations"] == 0


def test_an_end_that_is_told_after_the_cancellation_is_no_fault(
    enclave: LocalEnclave, run: Run
) -> None:
    async def main() -> None:
        faults: list[Any] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: faults.append(context))
        async with pycape.aio.Cape(enclave=enclave) as cape:
            await cape.connect("local/echo")
            received = pycape.counters()["bytes_received"]
            task = asyncio.ensure_future(cape.invoke(b"x" * 30))
            await asyncio.sleep(0)
            loop.call_soon(task.cancel)  # before the loop looks at its descriptors again
            assert settles(lambda: pycape.counters()["bytes_received"] > received, True)
            time.sleep(0.05)
            await asyncio.wait([task])
            assert task.cancelled()
            assert await cape.invoke(b"next") == b"next"
        assert faults == []

    run(main)


def test_close_ends_the_calls_and_the_connects_under_way(enclave: LocalEnclave, run: Run) -> None:
    async def main() -> None:
        cape = pycape.aio.Cape(enclave=enclave)
        await cape.connect("local/mischief")
        calls = [asyncio.ensure_future(cape.invoke(b"sleep 20")) for _ in range(3)]
        await asyncio.sleep(0.05)
        await cape.close()
        for outcome in await asyncio.gather(*calls, return_exceptions=True):
            assert isinstance(outcome, pycape.ClosedError)
        connect = asyncio.ensure_future(cape.connect("local/echo"))
        await asyncio.sleep(0)
        await cape.close()
        with pytest.raises(pycape.ClosedError, match="while it connected"):
            await connect
        assert "closed" in repr(cape)

    before = handles()
    run(main)
    assert settles(handles, before)


def test_ctrl_c_ends_a_program_that_awaits(enclave: LocalEnclave) -> None:
    async def main() -> None:
        async with pycape.aio.Cape(enclave=enclave) as cape:
            await cape.connect("local/mischief")
            await cape.invoke(b"sleep 20")

    before = handles()
    assert interrupted(lambda: asyncio.run(main())) < PATIENCE
    assert settles(handles, before)


# Loops.


def test_a_queue_ends_with_its_loop(enclave: LocalEnclave, run: Run) -> None:
    cape = pycape.aio.Cape(enclave=enclave)

    async def main() -> None:
        await cape.connect("local/echo")
        assert await cape.invoke(b"x") == b"x"
        assert handles()["queues"] == 1

    async def again() -> None:
        assert await cape.invoke(b"y") == b"y"
        assert handles()["queues"] == 1
        await cape.close()

    gc.collect()
    before = descriptors()
    for _ in range(3):
        run(main)
        gc.collect()
        assert handles()["queues"] == 0
        run(again)
        gc.collect()
        assert handles()["queues"] == 0
    assert settles(lambda: descriptors() <= before, True)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", ["asyncio", "uvloop"])
def test_a_loop_that_is_closed_over_calls_leaves_nothing(
    enclave: LocalEnclave, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    cape = pycape.aio.Cape(enclave=enclave)
    gc.collect()
    before = descriptors()
    loop = factory_of(name)()

    async def main() -> None:
        await cape.connect("local/mischief")
        for _ in range(5):
            pending.append(asyncio.ensure_future(cape.invoke(b"sleep 20")))
        enclave.set_faults("silent_start")
        pending.append(asyncio.ensure_future(pycape.aio.Cape(enclave=enclave).connect("local/echo")))
        await asyncio.sleep(0)

    pending: list[Any] = []
    run_with(loop, main)
    assert handles()["operations"] == 6
    pending.clear()
    del loop
    gc.collect()
    assert handles()["operations"] == 0
    assert handles()["queues"] == 0
    assert caplog.text.count("Task was destroyed but it is pending") == 6  # as of any such loop
    asyncio.run(cape.close())
    assert settles(lambda: handles()["connections"], 0)
    assert settles(lambda: descriptors() <= before, True)


def test_two_loops_work_at_once_and_may_share_a_client(enclave: LocalEnclave, run: Run) -> None:
    client = pycape.aio.Cape(enclave=enclave)
    asyncio.run(client.connect("local/echo"))
    meeting = threading.Barrier(2)
    wrong: list[Any] = []

    async def main() -> None:
        own = pycape.aio.Cape(enclave=enclave)
        await own.connect("local/echo")
        me = threading.current_thread().name
        meeting.wait(30)
        for turn in range(10):
            inputs = [f"{me} {turn} {number}".encode() for number in range(20)]
            calls = [(own, client)[number % 2].invoke(data) for number, data in enumerate(inputs)]
            if await asyncio.gather(*calls) != inputs:
                wrong.append((me, turn))
        assert handles()["queues"] == 2
        meeting.wait(30)
        await own.close()

    def work() -> None:
        try:
            run(main)
        except BaseException as error:
            wrong.append(("failed", repr(error)))
            meeting.abort()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    asyncio.run(client.close())
    assert wrong == []
    gc.collect()
    assert handles()["queues"] == 0


def test_a_program_that_forgets_to_close_ends_quietly(python: Callable[..., str]) -> None:
    program = """
        import asyncio, pycape, pycape.aio
        from conftest import FUNCTIONS
        enclave = pycape.LocalEnclave(FUNCTIONS / "echo")
        cape = pycape.aio.Cape(enclave=enclave)
        loop = asyncio.new_event_loop()
        loop.run_until_complete(cape.connect("local/echo"))
        print(loop.run_until_complete(cape.invoke(b"x")))
        asyncio._set_running_loop(loop)
        started = cape.invoke(b"y")
        started.send(None)  # as a task does, to the point where it waits
    """
    assert python(program) == "b'x'"


def test_a_forked_child_gets_a_clear_error(python: Callable[..., str]) -> None:
    program = """
        import asyncio, os, pycape, pycape.aio, warnings
        from conftest import FUNCTIONS

        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads

        async def in_child(cape):
            calls = cape.invoke(b"x"), cape.run("local/echo", b"x")
            outcomes = [type(outcome) for outcome in await asyncio.gather(*calls, return_exceptions=True)]
            return 7 if outcomes == [pycape.ForkedError] * 2 else 1

        async def main(enclave, cape):
            await cape.connect("local/echo")
            await cape.invoke(b"x")
            child = os.fork()
            if child == 0:
                status = 2
                try:
                    status = asyncio.run(in_child(cape))
                    asyncio.run(cape.close())
                finally:
                    os._exit(status)
            _, status = os.waitpid(child, 0)
            print(os.waitstatus_to_exitcode(status), await cape.invoke(b"x"))
            await cape.close()

        with pycape.LocalEnclave(FUNCTIONS / "echo") as enclave:
            asyncio.run(main(enclave, pycape.aio.Cape(enclave=enclave)))
    """
    assert python(program) == "7 b'x'"


def test_the_example_of_the_readme_runs() -> None:
    text = (ROOT / "bindings" / "python" / "README.md").read_text()
    [example] = [each for each in re.findall(r"```python\n(.*?)```", text, re.S) if "aio" in each]
    run = subprocess.run(
        [sys.executable, "-c", example], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert (run.stdout, run.stderr, run.returncode) == ("[b'one', b'two']\n", "", 0)
