"""Requests to a service: deploying, testing, listing, deleting, and tokens, blocking and awaited."""

from __future__ import annotations

import asyncio
import datetime
import json
import os
import pathlib
import re
import subprocess
import sys
from typing import Any, Callable

import pytest

import pycape
import pycape.aio
from conftest import FUNCTIONS, ROOT, Running, handles
from pycape import FunctionRef, LocalEnclave, Token
from pycape.expiry import moment
from test_interrupts import PATIENCE, interrupted

ECHO = FUNCTIONS / "echo"


@pytest.fixture
def ada(client: Callable[..., Any], service: Running) -> Any:
    """A client that has a token of the service."""
    return client(**service.settings())


def test_a_function_is_deployed_called_listed_and_deleted(ada: Any) -> None:
    function = ada.deploy(ECHO, name="mirror")
    assert isinstance(function, FunctionRef)
    assert (function.full_name, function.user, function.name) == ("ada/mirror", "ada", "mirror")
    assert ada.report["verdict"] == "accepted"
    assert ada.run(function, b"by its id") == b"by its id"
    assert ada.run("ada/mirror", b"by its name") == b"by its name"
    assert ada.report["function_checksum"] == function.checksum
    assert [known["id"] for known in ada.list(1000) if known["name"] == "ada/mirror"] == [function.id]
    assert len(ada.list(limit=1)) == 1
    assert ada.list(1000, offset=len(ada.list(1000))) == []
    ada.delete(function)
    assert function.id not in [known["id"] for known in ada.list(1000)]
    with pytest.raises(pycape.ConnectError) as caught:
        ada.connect(function)
    assert caught.value.reason == "connect.function"
    with pytest.raises(pycape.ConnectError) as caught:
        ada.delete(function.id)
    assert caught.value.reason == "connect.not_found"


def test_the_checksum_of_a_deployment_pins_the_function(ada: Any, tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "mirror"
    folder.mkdir()
    (folder / "app.py").write_text("def cape_handler(data): return data\n")
    function = ada.deploy(folder)
    (folder / "app.py").write_text("def cape_handler(data): return b'another'\n")
    other = ada.deploy(folder)
    assert ada.run(function, b"x") == b"x"
    with pytest.raises(pycape.PolicyError) as caught:
        ada.run(FunctionRef(name="ada/mirror", checksum=function.checksum), b"x")
    assert caught.value.reason == "policy.function_checksum"
    assert ada.run(FunctionRef("ada/mirror", other.checksum), b"x") == b"another"


def test_a_policy_of_a_function_serves_for_deploys_and_keys_too(
    client: Callable[..., Any], service: Running
) -> None:
    policy = {"pcrs": service.pcrs, "function_checksum": "00" * 32}
    ada = client(**service.settings() | {"policy": policy})
    function = ada.deploy(ECHO)
    assert len(ada.key()) > 500
    with pytest.raises(ValueError, match="different"):
        ada.connect(function)


def test_a_public_function_is_for_everyone(ada: Any) -> None:
    assert ada.run(ada.deploy(str(ECHO), name="open", public=True), b"x") == b"x"


def test_a_function_is_tried_without_being_deployed(ada: Any) -> None:
    before = ada.list(1000)
    assert ada.test(ECHO, b"input") == b"input"
    assert ada.test(FUNCTIONS / "pythagorean", 3, b=4, use_serdio=True) == 5
    with pytest.raises(pycape.FunctionError):
        ada.test(FUNCTIONS / "pythagorean", b"no serdio")
    assert ada.list(1000) == before


def test_a_token_for_one_function(ada: Any, client: Callable[..., Any], service: Running) -> None:
    function, other = ada.deploy(ECHO, name="one"), ada.deploy(ECHO, name="two")
    token = ada.create_token("ci", "for tests", function=function, expiry=3600)
    assert isinstance(token, Token)
    assert token.raw not in repr(token)
    [about] = [known for known in ada.list_tokens() if known["name"] == "ci"]
    assert about["description"] == "for tests"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT.*Z", about["expiry"])
    ci = client(**service.settings() | {"access_token": None})
    assert ci.run(function, token, b"x") == b"x"
    with pytest.raises(pycape.CapeError):
        ci.run(other, token, b"x")
    with pytest.raises(pycape.AuthError):
        ci.list(token=token)
    ada.delete_token(about["id"])
    with pytest.raises(pycape.AuthError) as caught:
        ci.connect(function, token)
    assert token.raw not in str(caught.value)
    with pytest.raises(pycape.CapeError):
        ada.delete_token(about["id"])


def test_a_token_given_goes_before_that_of_the_client(
    client: Callable[..., Any], service: Running
) -> None:
    cape = client(**service.settings() | {"access_token": "of-nobody"})
    for call in (cape.list, cape.list_tokens, cape.key, lambda: cape.deploy(ECHO)):
        with pytest.raises(pycape.AuthError):
            call()
    assert isinstance(cape.list(token=service.token), list)
    assert cape.list(token=Token(service.token)) == cape.list(token=service.token)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda ada: ada.deploy("/no/such/folder"),
        lambda ada: ada.test("/no/such/folder", b""),
        lambda ada: ada.list(limit=0),
        lambda ada: ada.delete("../token"),
        lambda ada: ada.delete(FunctionRef(name="ada/mirror")),
        lambda ada: ada.create_token(expiry="soon"),
        lambda ada: ada.create_token(expiry=-1),
        lambda ada: ada.create_token(expiry=datetime.datetime(2199, 1, 1)),
        lambda ada: ada.test(ECHO, b"one", b"two"),
        lambda ada: ada.deploy(ECHO, name="no name"),
        lambda ada: ada.list(token=" "),
    ],
)
def test_what_cannot_be_asked_is_a_value_error(ada: Any, wrong: Callable[[Any], Any]) -> None:
    with pytest.raises(ValueError) as caught:
        wrong(ada)
    assert isinstance(caught.value, pycape.ArgumentError)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda ada: ada.deploy(5),
        lambda ada: ada.deploy(ECHO, pcrs=["00"]),
        lambda ada: ada.deploy(ECHO, progress="yes"),
        lambda ada: ada.test(ECHO, "text"),
        lambda ada: ada.delete(5),
        lambda ada: ada.list(token=b"token"),
        lambda ada: ada.create_token(expiry=[1]),
    ],
)
def test_what_has_the_wrong_type_is_a_type_error(ada: Any, wrong: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeError) as caught:
        wrong(ada)
    assert isinstance(caught.value, pycape.CapeError)


def test_without_a_login_nothing_is_asked(client: Callable[..., Any]) -> None:
    cape = client("wss://enclave.example.com", policy="any")
    for call in (cape.list, cape.key, lambda: cape.deploy(ECHO)):
        with pytest.raises(ValueError, match="access_token"):
            call()


def test_an_enclave_that_is_not_the_pinned_one_gets_nothing(ada: Any, service: Running) -> None:
    before = ada.list(1000)
    for call in (
        lambda: ada.deploy(ECHO, pcrs={0: "11" * 48}),
        lambda: ada.test(ECHO, b"x", pcrs={"8": ["11" * 48]}),
        lambda: ada.key(pcrs={"8": "11" * 48}),
    ):
        with pytest.raises((pycape.PolicyError, pycape.ArgumentError)):
            call()
    with pytest.raises(pycape.PolicyError) as caught:
        ada.deploy(ECHO, pcrs={8: "11" * 48})
    assert caught.value.report is not None
    assert caught.value.report["verdict"] == "refused"
    assert caught.value.report["pcrs"]["0"] == service.pcrs["0"]
    assert ada.list(1000) == before


def test_without_a_policy_the_line_that_asks_is_warned_of(service: Running) -> None:
    cape = pycape.Cape(**service.settings() | {"policy": None})
    with pytest.warns(pycape.UnpinnedWarning) as caught:
        cape.key()
        cape.deploy(ECHO)
        cape.encrypt(b"x")
    assert [warning.filename for warning in caught] == [__file__] * 3


SILENT: dict[str, Callable[[Any], Any]] = {
    "key": lambda cape: cape.key(),
    "encrypt": lambda cape: cape.encrypt(b"x"),
    "deploy": lambda cape: cape.deploy(ECHO),
    "test": lambda cape: cape.test(ECHO, b"x"),
}


UNATTESTED: dict[str, Callable[[Any], Any]] = {
    "list": lambda cape: cape.list(),
    "delete": lambda cape: cape.delete("2" * 22),
    "create_token": lambda cape: cape.create_token("x"),
    "list_tokens": lambda cape: cape.list_tokens(),
    "delete_token": lambda cape: cape.delete_token("2" * 22),
    "key of a user": lambda cape: cape.key(username="ada"),
}


@pytest.mark.parametrize(
    "fault, call",
    [
        *(pytest.param("silent_start", call, id=name) for name, call in SILENT.items()),
        *(pytest.param("silent_handshake", call, id=name) for name, call in UNATTESTED.items()),
    ],
)
def test_ctrl_c_ends_a_request(
    enclave: LocalEnclave, fault: str, call: Callable[[Any], Any]
) -> None:
    enclave.set_faults(fault)
    before = handles()
    assert interrupted(lambda: call(pycape.Cape(enclave=enclave))) < PATIENCE
    assert handles() == before


def test_cancelling_a_task_cancels_its_request(enclave: LocalEnclave) -> None:
    enclave.set_faults("silent_start")
    before = handles()

    async def main() -> None:
        cape = pycape.aio.Cape(enclave=enclave)
        for call in SILENT.values():
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(call(cape), 0.1)
            assert handles()["operations"] == before["operations"]

    asyncio.run(main())


def test_requests_have_a_deadline(client: Callable[..., Any], enclave: LocalEnclave) -> None:
    enclave.set_faults("silent_start")
    with pytest.raises(pycape.CapeTimeoutError) as caught:
        client(enclave=enclave, timeout=0.2).key()
    assert isinstance(caught.value, TimeoutError)


def test_an_enclave_that_fails_verification_has_its_report_in_the_error(
    client: Callable[..., Any], enclave: LocalEnclave
) -> None:
    enclave.set_faults("expired_leaf")
    with pytest.raises(pycape.AttestationError) as caught:
        client(enclave=enclave).key()
    assert caught.value.report is not None
    assert caught.value.report["reason"] == "chain.expired"


def test_requests_of_many_tasks_are_under_way_at_once(service: Running) -> None:
    async def main() -> None:
        cape = pycape.aio.Cape(**service.settings())
        asked = [cape.list() for _ in range(20)] + [cape.list_tokens() for _ in range(20)]
        answers = await asyncio.gather(*asked)
        assert len({str(answer) for answer in answers[:20]}) == 1

    asyncio.run(main())


NOW = datetime.datetime.now(datetime.timezone.utc)


@pytest.mark.parametrize(
    "expiry, seconds",
    [
        (90, 90),
        (1.5, 1.5),
        ("3600", 3600),
        ("720h", 720 * 3600),
        ("1h30m", 5400),
        ("1.5s", 1.5),
        (datetime.timedelta(days=1), 86400),
        (NOW + datetime.timedelta(hours=1), 3600),
        ((NOW + datetime.timedelta(hours=1)).isoformat(), 3600),
        ((NOW + datetime.timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S.1Z"), 3600),
        ((NOW + datetime.timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S.123456789Z"), 3600),
    ],
)
def test_an_expiry_is_a_time_or_a_duration(expiry: Any, seconds: float) -> None:
    found = datetime.datetime.fromisoformat(moment(expiry))
    assert abs((found - NOW).total_seconds() - seconds) < 300


@pytest.mark.parametrize("expiry", ["", "0", 0, "tomorrow", "5 h", "1x", 1e300, float("nan"), "9" * 30])
def test_what_is_no_expiry_is_a_value_error(expiry: Any) -> None:
    with pytest.raises(ValueError) as caught:
        moment(expiry)
    assert isinstance(caught.value, pycape.CapeError)
    assert "\n" not in str(caught.value)


def test_the_example_of_the_readme_runs(service: Running, tmp_path: pathlib.Path) -> None:
    text = (ROOT / "bindings" / "python" / "README.md").read_text()
    [example] = [each for each in re.findall(r"```python\n(.*?)```", text, re.S) if "deploy" in each]
    (tmp_path / "policy.json").write_text(json.dumps({"pcrs": service.pcrs}))
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    variables = {
        "CAPE_URL": service.url,
        "CAPE_TOKEN": service.token,
        "CAPE_ATTESTATION_ROOT": service.root,
    }
    done = subprocess.run(
        [sys.executable, "-c", example],
        env={**os.environ, **variables},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.stdout, done.returncode) == (
        "b\"for this function's owner alone\"\nb'hello'\n",
        0,
    ), done.stderr
