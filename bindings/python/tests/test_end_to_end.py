"""Real functions in a real local enclave: sizes, state, failures and threads."""

from __future__ import annotations

import gc
import pathlib
import subprocess
import sys
import threading
import time
import weakref
from typing import Any, Callable

import pytest

import pycape
from conftest import ROOT
from pycape import Cape, LocalEnclave


@pytest.fixture
def cape(enclave: LocalEnclave) -> Any:
    with Cape(enclave=enclave) as client:
        client.connect("local/mischief")
        yield client


@pytest.mark.parametrize("size", [0, 1, 15, 16, 65535, 65536, 1 << 20])
def test_payloads_come_back_whole(cape: Cape, size: int) -> None:
    data = (bytes(range(256)) * (size // 256 + 1))[:size]
    assert cape.invoke(data) == data


def test_64_mib_come_back_whole(enclave: LocalEnclave) -> None:
    data = bytes(range(256)) * (1 << 18)
    assert len(data) == 64 << 20
    assert Cape(enclave=enclave, timeout=120).run("local/echo", data) == data


def test_64_mib_through_serdio_come_back_whole(enclave: LocalEnclave) -> None:
    data = bytes(range(256)) * (1 << 18)
    client = Cape(enclave=enclave, timeout=120)
    assert client.run("local/echo", data, use_serdio=True) == data


def test_an_input_over_the_limit_is_a_value_error_and_the_connection_goes_on(cape: Cape) -> None:
    with pytest.raises(ValueError) as caught:
        cape.invoke(bytes(65 << 20))
    assert isinstance(caught.value, pycape.LimitError)
    assert caught.value.reason == "limit.input"
    assert cape.invoke(b"next") == b"next"


@pytest.mark.parametrize(
    "data, text", [(b"raise", "LookupError: as asked"), (b"exit", "SystemExit: 3")]
)
def test_a_functions_exception_is_told_and_the_connection_goes_on(
    cape: Cape, data: bytes, text: str
) -> None:
    for _ in range(2):
        with pytest.raises(pycape.FunctionError) as caught:
            cape.invoke(data)
        assert str(caught.value) == text
        assert caught.value.reason == "function.error"
        assert isinstance(caught.value, RuntimeError)
        assert cape.invoke(b"next") == b"next"


def test_a_crash_is_a_function_error_and_the_enclave_serves_on(
    cape: Cape, enclave: LocalEnclave
) -> None:
    with pytest.raises(pycape.FunctionError):
        cape.invoke(b"crash")
    assert Cape(enclave=enclave).run("local/mischief", b"x") == b"x"


def test_what_a_function_prints_is_not_in_its_result(cape: Cape) -> None:
    assert cape.invoke(b"print") == b"print"


def test_arguments_that_do_not_fit_are_the_functions_error(enclave: LocalEnclave) -> None:
    with Cape(enclave=enclave) as client:
        client.connect("local/pythagorean")
        with pytest.raises(pycape.FunctionError, match="ValueError: the arguments do not fit"):
            client.invoke(3, use_serdio=True)
        with pytest.raises(pycape.FunctionError, match="TypeError"):
            client.invoke("3", "4", use_serdio=True)
        assert client.invoke(3, b=4, use_serdio=True) == 5


def test_threads_share_a_connection_and_each_gets_its_own_result(enclave: LocalEnclave) -> None:
    wrong: list[Any] = []
    with Cape(enclave=enclave) as client:
        client.connect("local/echo")

        def work(number: int) -> None:
            for turn in range(20):
                data = f"{number} {turn} ".encode() * (1 + 50 * number)
                if client.invoke(data) != data:
                    wrong.append((number, turn))

        together(work, 8)
    assert wrong == []


def test_threads_may_connect_run_and_close_as_they_like(enclave: LocalEnclave) -> None:
    client = Cape(enclave=enclave)
    unexpected: list[BaseException] = []
    actions: list[Callable[[], Any]] = [
        lambda: client.connect("local/echo"),
        lambda: client.invoke(b"x"),
        client.close,
        lambda: client.run("local/echo", b"y"),
    ]

    def work(number: int) -> None:
        for turn in range(5):
            try:
                actions[(number + turn) % 4]()
            except pycape.ClosedError:
                pass
            except BaseException as error:
                unexpected.append(error)

    together(work, 8)
    client.close()
    assert unexpected == []


def together(work: Callable[[int], None], count: int) -> None:
    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()


def test_close_wakes_a_call_that_waits(cape: Cape) -> None:
    caught: list[BaseException] = []
    entered = threading.Event()

    def wait() -> None:
        entered.set()
        try:
            cape.invoke(b"sleep 30")
        except BaseException as error:
            caught.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    entered.wait()
    cape.close()
    thread.join(10)
    assert not thread.is_alive()
    assert [type(error) for error in caught] == [pycape.ClosedError]


def test_other_threads_run_while_a_call_waits(cape: Cape) -> None:
    done = threading.Event()

    def wait() -> None:
        cape.invoke(b"sleep 0.5")
        done.set()

    thread = threading.Thread(target=wait)
    thread.start()
    turns = 0
    while not done.is_set():
        turns += 1
        time.sleep(0.001)
    thread.join()
    assert turns > 10


def test_a_forgotten_connection_is_closed_without_a_word(
    enclave: LocalEnclave, capsys: pytest.CaptureFixture[str]
) -> None:
    client = Cape(enclave=enclave)
    client.connect("local/echo")
    connection = client._connection
    assert connection is not None
    gone = weakref.ref(connection)
    finalizer = connection._finalizer
    del client, connection
    gc.collect()
    assert gone() is None
    assert not finalizer.alive
    assert capsys.readouterr() == ("", "")


def test_many_connections_leave_nothing_behind(enclave: LocalEnclave) -> None:
    def descriptors() -> int:
        return len(list(pathlib.Path("/proc/self/fd").iterdir()))

    Cape(enclave=enclave).run("local/echo", b"x")
    before = descriptors()
    for _ in range(20):
        clients = [Cape(enclave=enclave) for _ in range(3)]
        for client in clients:
            client.connect("local/echo")
    del clients, client
    gc.collect()
    deadline = time.monotonic() + 20
    while descriptors() > before + 4 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert descriptors() <= before + 4


# The process around it.


def test_importing_and_constructing_load_no_library(python: Callable[..., str]) -> None:
    program = """
        import sys, pycape
        from pycape.cape import Cape
        cape = Cape(access_token="some-token")
        local = pycape.LocalEnclave("/no/such/folder")
        pycape.Cape(enclave=local)
        repr(cape), repr(local)
        cape.close(), local.close()
        assert "libcape" not in open("/proc/self/maps").read()
        assert "msgpack" not in sys.modules and "serdio" not in sys.modules
        print("done")
    """
    assert python(program) == "done"


def test_serdio_needs_neither_pycape_nor_the_library(python: Callable[..., str]) -> None:
    program = """
        import sys, serdio
        serdio.deserialize(serdio.serialize(1))
        assert not any(name.startswith("pycape") for name in sys.modules)
        assert "ctypes" not in sys.modules
        print("done")
    """
    assert python(program, CAPE_LIBRARY="/no/such/file") == "done"


FORK = """
    import os, pycape, warnings
    from conftest import FUNCTIONS

    # Python 3.12 on warns of a fork beside the threads of the library, which is what this is about.
    warnings.simplefilter("ignore", DeprecationWarning)

    def in_child(work):
        child = os.fork()
        if child == 0:
            try:
                os._exit(work())
            except BaseException as error:
                os.write(1, repr(error).encode())
                os._exit(99)
        _, status = os.waitpid(child, 0)
        return os.waitstatus_to_exitcode(status)
"""


def test_a_forked_child_gets_a_clear_error_and_the_parent_goes_on(
    python: Callable[..., str],
) -> None:
    program = FORK + """
    with pycape.LocalEnclave(FUNCTIONS / "echo") as enclave, pycape.Cape(enclave=enclave) as cape:
        cape.connect("local/echo")
        def work():
            for call in (lambda: cape.invoke(b"x"), lambda: cape.run("local/echo", b"x")):
                try:
                    call()
                    return 1
                except pycape.ForkedError:
                    pass
            cape.close()
            enclave.close()
            return 7
        print(in_child(work), cape.invoke(b"x"), cape.run("local/echo", b"y"))
    """
    assert python(program) == "7 b'x' b'y'"


def test_a_child_forked_before_the_library_is_loaded_works(python: Callable[..., str]) -> None:
    program = FORK + """
    def work():
        with pycape.LocalEnclave(FUNCTIONS / "echo") as enclave:
            return 7 if pycape.Cape(enclave=enclave).run("local/echo", b"x") == b"x" else 1
    print(in_child(work), work())
    """
    assert python(program) == "7 7"


def test_a_program_that_forgets_to_close_ends_quietly(python: Callable[..., str]) -> None:
    program = """
        import threading, pycape
        from conftest import FUNCTIONS
        enclave = pycape.LocalEnclave(FUNCTIONS / "echo", FUNCTIONS / "pythagorean")
        cape = pycape.Cape(enclave=enclave)
        cape.connect("local/echo")
        other = pycape.Cape(enclave=enclave)
        other.connect("local/pythagorean")
        print(cape.invoke(b"x"))
    """
    assert python(program) == "b'x'"


# The examples.


def test_the_quickstart_runs_and_is_short() -> None:
    path = ROOT / "bindings" / "python" / "examples" / "quickstart.py"
    assert len(path.read_text().splitlines()) <= 10
    assert path.read_text() in (ROOT / "bindings" / "python" / "README.md").read_text()
    run = subprocess.run(
        [sys.executable, path], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert (run.stdout, run.stderr, run.returncode) == ("5.0\n", "", 0)


def test_the_demo_prints_its_line_and_refuses_another_enclave(
    enclave: LocalEnclave, tmp_path: pathlib.Path
) -> None:
    root = tmp_path / "root.pem"
    root.write_text(enclave.attestation_root)

    def demo(pcr0: str) -> subprocess.CompletedProcess[str]:
        path = ROOT / "bindings" / "python" / "examples" / "demo.py"
        return subprocess.run(
            [sys.executable, path, enclave.url, root, pcr0],
            capture_output=True,
            text=True,
            timeout=60,
        )

    right, wrong = demo(enclave.pcrs["0"]), demo("00" * 47 + "01")
    assert right.returncode == 0, right.stderr
    head, found, tail = right.stdout.partition(f"  PCR0 {enclave.pcrs['0'][:8]}...  ")
    assert head.startswith("python  attested i-") and found
    assert tail == "pythagorean(3, 4) = 5  pythagorean(5, 12) = 13\n"
    assert wrong.returncode != 0
    assert wrong.stdout == ""
    assert "PCR0" in wrong.stderr
