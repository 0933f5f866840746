"""The interface of pycape 3 beside the documented one, and where the two collide."""

from __future__ import annotations

import asyncio
import inspect
import json
import pathlib
import stat
from typing import Any

import hypothesis
import hypothesis.strategies
import pytest

import pycape
import pycape.aio
from conftest import FUNCTIONS, Running
from pycape import Arguments, Cape, FunctionAuthType, FunctionRef, LocalEnclave, Token, cape_encrypt
from pycape.experimental import cli

ID = "5gWto3hCNkTMxKmpGWfDAf"
CHECKSUM = "9d" * 32
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl"


@pytest.fixture
def offline() -> Cape:
    """A client of the public service, without a login."""
    return Cape()


# FunctionRef.


@pytest.mark.parametrize(
    "reference, expected",
    [
        (FunctionRef(ID), (ID, None, None, None)),
        (FunctionRef(ID, CHECKSUM), (ID, None, CHECKSUM, None)),
        (FunctionRef(ID, CHECKSUM.upper()), (ID, None, CHECKSUM.upper(), None)),
        (FunctionRef(function_id=ID, function_hash=CHECKSUM), (ID, None, CHECKSUM, None)),
        (FunctionRef(ID, "ada/echo"), (ID, "ada/echo", None, None)),
        (FunctionRef(ID, "ada/echo", CHECKSUM), (ID, "ada/echo", CHECKSUM, None)),
        (FunctionRef(None, "ada/echo"), (None, "ada/echo", None, None)),
        (FunctionRef("ada/echo"), (None, "ada/echo", None, None)),
        (FunctionRef(id=ID, name="ada/echo", checksum=CHECKSUM), (ID, "ada/echo", CHECKSUM, None)),
        (FunctionRef(name="ada/echo"), (None, "ada/echo", None, None)),
        (FunctionRef(ID, JWT), (ID, None, None, JWT)),
        (FunctionRef(ID, JWT, CHECKSUM), (ID, None, CHECKSUM, JWT)),
        (FunctionRef(ID, CHECKSUM, JWT), (ID, None, CHECKSUM, JWT)),
        (FunctionRef(ID, token="a-token", checksum=CHECKSUM), (ID, None, CHECKSUM, "a-token")),
        (FunctionRef(ID, Token("a-token")), (ID, None, None, "a-token")),
    ],
)
def test_a_second_argument_is_what_it_looks_like(reference: FunctionRef, expected: Any) -> None:
    found = (reference.id, reference.full_name, reference.checksum, reference.token)
    assert found == expected
    assert reference.get_hash() == expected[2]
    assert reference.get_id() == (expected[0] or expected[1])
    assert "a-token" not in repr(reference) and JWT not in repr(reference)


@pytest.mark.parametrize("mistyped", [CHECKSUM[:-1], CHECKSUM + "0", "x" * 64, "no hash", "a.b"])
def test_a_mistyped_checksum_is_not_taken_for_something_else(
    enclave: LocalEnclave, mistyped: str
) -> None:
    with pytest.raises(ValueError):
        Cape(enclave=enclave).connect(FunctionRef("local/echo", mistyped))


@pytest.mark.parametrize(
    "make",
    [
        lambda: FunctionRef(),
        lambda: FunctionRef(None),
        lambda: FunctionRef(name="echo"),
        lambda: FunctionRef(name="a/b/c"),
        lambda: FunctionRef(ID, id=ID[::-1]),
        lambda: FunctionRef("ada/echo", "ada/other"),
        lambda: FunctionRef(ID, CHECKSUM, "00" * 32),
    ],
)
def test_what_names_no_function_or_two_is_a_value_error(make: Any) -> None:
    with pytest.raises(ValueError) as caught:
        make()
    assert isinstance(caught.value, pycape.ArgumentError)


def test_the_parts_of_a_name() -> None:
    reference = FunctionRef(name="ada/echo")
    assert (reference.user, reference.name, reference.full_name) == ("ada", "echo", "ada/echo")
    nameless = FunctionRef(ID)
    assert (nameless.user, nameless.name, nameless.full_name) == (None, None, None)
    assert FunctionRef(ID, "ada/echo").get_id() == ID


def test_references_are_equal_when_they_say_the_same() -> None:
    assert FunctionRef(ID, CHECKSUM) == FunctionRef(id=ID, checksum=CHECKSUM)
    assert FunctionRef(ID) != FunctionRef(ID, CHECKSUM)
    assert FunctionRef(ID) != ID
    assert len({FunctionRef(ID), FunctionRef(ID), FunctionRef("ada/echo")}) == 2


def test_a_reference_as_json(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "echo.json"
    for reference in (
        FunctionRef(ID),
        FunctionRef(name="ada/echo"),
        FunctionRef(ID, "ada/echo", CHECKSUM),
    ):
        text = reference.to_json()
        assert FunctionRef.from_json(text) == reference
        assert reference.to_json(path) == text
        for named in (path, str(path)):
            assert FunctionRef.from_json(named) == reference
    assert set(json.loads(text)) == {"function_id", "function_name", "function_checksum"}
    assert "secret" not in FunctionRef(ID, token="secret").to_json()
    with pytest.raises(ValueError):
        reference.to_json(tmp_path / "missing" / "echo.json")


def test_a_name_without_its_user_in_json_stands_beside_the_id() -> None:
    named = {"function_id": ID, "function_name": "echo"}  # as the command line of some versions
    reference = FunctionRef.from_json(json.dumps(named))
    assert (reference.id, reference.full_name) == (ID, None)
    with pytest.raises(ValueError):
        FunctionRef.from_json(json.dumps({"function_name": "echo"}))


def test_a_token_in_json_is_left_alone_with_a_warning() -> None:
    with pytest.warns(UserWarning, match="function_token") as caught:
        reference = FunctionRef.from_json(json.dumps({"function_id": ID, "function_token": JWT}))
    assert caught[0].filename == __file__
    assert reference.token is None


def test_that_warning_names_the_line_of_the_program_also_from_function(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "function.json"
    path.write_text(json.dumps({"function_id": ID, "function_token": JWT}))
    with pytest.warns(UserWarning, match="function_token") as caught:
        Cape().function(path)
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    "text",
    ["{", "{}", '{"function_id": 5}', '{"id": "x"}', "[]", "", "echo", "/no/such.json", '{"a":' * 9999],
)
def test_json_that_names_no_function_is_a_value_error(text: str, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "f.json"
    path.write_text(text)
    for source in (text, path):
        with pytest.raises(ValueError) as caught:
            FunctionRef.from_json(source)
        assert isinstance(caught.value, pycape.ArgumentError)
    wrong: Any = 5
    with pytest.raises(TypeError):
        FunctionRef.from_json(wrong)


# Cape.function and Cape.token.


def test_a_function_is_resolved_by_its_form(offline: Cape, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "echo.json"
    reference = FunctionRef(ID, "ada/echo", CHECKSUM)
    reference.to_json(path)
    for named in (path, str(path)):
        assert offline.function(named) == reference
    assert offline.function(reference) is reference
    assert offline.function(ID) == FunctionRef(ID)
    assert offline.function("ada/my-echo_2.0") == FunctionRef(name="ada/my-echo_2.0")
    assert offline.function(ID, checksum=CHECKSUM) == FunctionRef(ID, CHECKSUM)
    assert offline.function("ada/echo", checksum=CHECKSUM).checksum == CHECKSUM
    assert offline.function(FunctionRef(ID), checksum=CHECKSUM) == FunctionRef(ID, CHECKSUM)
    with pytest.raises(ValueError):
        offline.function(path, checksum="00" * 32)


@pytest.mark.parametrize("wrong", ["echo", "", ID[:-1], "é" * 22, "./ada/echo", "ada/echo.json", "a/b/c", "../x", "~/f"])
def test_what_resolves_to_no_function_is_a_value_error(offline: Cape, wrong: str) -> None:
    with pytest.raises(ValueError):
        offline.function(wrong)


@pytest.mark.parametrize("wrong", [None, 5, b"ada/echo"])
def test_an_identifier_of_another_type_is_a_type_error(offline: Cape, wrong: Any) -> None:
    with pytest.raises(TypeError):
        offline.function(wrong)
    with pytest.raises(TypeError):
        offline.token(wrong)


def test_a_token_is_resolved_by_its_form(
    offline: Cape, tmp_path: pathlib.Path, clean_environment: pathlib.Path, monkeypatch: Any
) -> None:
    path, login = tmp_path / "my.token", clean_environment / "login.json"
    path.write_text(JWT + "\n")
    login.write_text(json.dumps({"access_token": JWT}))
    monkeypatch.chdir(tmp_path)
    for named in (path, str(path), "my.token", "./my.token", "~/login.json", login, JWT, f" {JWT}\n"):
        assert offline.token(named).raw == JWT
    token = Token(JWT)
    assert offline.token(token) is token
    (tmp_path / JWT).write_text("hijacked")
    assert offline.token(JWT).raw == JWT
    for wrong in ("/no/such/file", "missing.token", "", " ", str(tmp_path)):
        with pytest.raises(ValueError):
            offline.token(wrong)


def test_a_token_is_kept_in_a_file_of_its_owners(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "token"
    token = Token(JWT)
    assert token.token == token.raw == JWT
    token.to_disk(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert Token.from_disk(path) == Token.from_disk(str(path)) == token
    assert len({token, Token(JWT + "\n")}) == 1
    assert token != JWT
    for content in ("", "two words", "{}", '{"token": 5}', "{"):
        path.write_text(content)
        with pytest.raises(ValueError):
            Token.from_disk(path)
    with pytest.raises(ValueError):
        token.to_disk(tmp_path / "missing" / "token")
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError):
        Token.from_disk(path)


@hypothesis.settings(max_examples=150, deadline=None)
@hypothesis.given(
    hypothesis.strategies.text(hypothesis.strategies.characters(), max_size=40)
    | hypothesis.strategies.text("ab/.~{}\"':,0Z -\n\0", max_size=40)
)
def test_whatever_text_there_is_names_something_or_is_an_error(text: str) -> None:
    for read in (
        Cape().function,
        Cape().token,
        FunctionRef.from_json,
        Token,
        lambda text: FunctionRef(ID, text),
        lambda text: FunctionRef(name=text),
    ):
        try:
            read(text)
        except ValueError as error:
            assert isinstance(error, pycape.ArgumentError)
            assert str(error).isprintable()


def test_what_is_no_path_is_a_type_error() -> None:
    wrong: Any = 5
    for call in (Token.from_disk, Token("t").to_disk, FunctionRef(ID).to_json):
        with pytest.raises(TypeError) as caught:
            call(wrong)
        assert isinstance(caught.value, pycape.CapeError)


# Tokens and measurements of calls.


@pytest.mark.parametrize(
    "call, expected",
    [
        (lambda cape: cape.connect("f", Token("t")), ("t", "access")),
        (lambda cape: cape.connect("f", "t"), ("t", "function")),
        (lambda cape: cape.connect("f", function_token="t"), ("t", "function")),
        (lambda cape: cape.connect("f", token="t"), ("t", "access")),
        (lambda cape: cape.connect("f", token=Token("t")), ("t", "access")),
        (lambda cape: cape.connect("f"), ("own", "access")),
        (lambda cape: cape.connect(FunctionRef("f", token="t")), ("t", "function")),
        (lambda cape: cape.connect(FunctionRef("f", token="t"), Token("u")), ("u", "access")),
        (lambda cape: cape.run("f", Token("t"), b"x"), ("t", "access")),
        (lambda cape: cape.run("f", b"x", token=Token("t")), ("t", "access")),
        (lambda cape: cape.run("f", b"x", function_token="t"), ("t", "function")),
        (lambda cape: cape.run(FunctionRef("f", token="t"), b"x"), ("t", "function")),
        (lambda cape: cape.run("f", b"x"), ("own", "access")),
        (lambda cape: cape.function_context("f", Token("t")).__enter__(), ("t", "access")),
    ],
)
def test_which_token_is_offered_and_as_what(tried_connects: list[Any], call: Any, expected: Any) -> None:
    cape = Cape("wss://enclave.example.com", "own", policy="any")
    with pytest.raises(pycape.ConnectError):
        call(cape)
    assert (tried_connects[0]["token"], tried_connects[0]["token_type"]) == expected


def test_set_auth_type_says_what_a_token_is(tried_connects: list[Any]) -> None:
    reference = FunctionRef("f", token="t")
    assert reference.auth_type is FunctionAuthType.FUNCTION_TOKEN
    reference.set_auth_type(FunctionAuthType.AUTH0)
    with pytest.raises(pycape.ConnectError):
        Cape("wss://enclave.example.com", policy="any").connect(reference)
    assert tried_connects[0]["token_type"] == "access"


def test_two_tokens_for_one_call_are_a_value_error(enclave: LocalEnclave) -> None:
    cape = Cape(enclave=enclave)
    for call in (
        lambda: cape.connect("local/echo", "t", token="u"),
        lambda: cape.run("local/echo", Token("t"), b"x", function_token="u"),
    ):
        with pytest.raises(ValueError):
            call()


def test_in_run_only_a_token_is_a_token(enclave: LocalEnclave) -> None:
    cape = Cape(enclave=enclave)
    assert cape.run("local/echo", "no token", use_serdio=True) == "no token"
    assert cape.run("local/echo", JWT, use_serdio=True) == JWT
    assert cape.run("local/echo", Token("t"), "x", use_serdio=True) == "x"
    assert cape.run("local/echo", 1, token="for the function", use_serdio=True) == 1


def test_measurements_of_a_call(enclave: LocalEnclave) -> None:
    right, wrong = {0: [enclave.pcrs["0"]]}, {"0": ["11" * 48]}
    both: Any = {"0": ["11" * 48, enclave.pcrs["0"].upper()], "1": enclave.pcrs["1"]}
    settings: Any = {"url": enclave.url, "attestation_root": enclave.attestation_root}
    for cape in (Cape(**settings), Cape(enclave=enclave), Cape(**settings, policy="any")):
        cape.connect("local/echo", pcrs=right)
        assert cape.run("local/echo", b"x", pcrs=both) == b"x"
        for call in (
            lambda: cape.connect("local/echo", pcrs=wrong),
            lambda: cape.run("local/echo", b"x", pcrs=wrong),
        ):
            with pytest.raises(pycape.PolicyError) as caught:
                call()
            assert caught.value.reason == "policy.pcr_mismatch"
        cape.close()


def test_measurements_of_a_call_do_not_widen_the_policy(enclave: LocalEnclave) -> None:
    pinned = Cape(enclave=enclave, policy={"pcrs": {"0": ["11" * 48]}})
    with pytest.raises(ValueError, match="PCR 0"):
        pinned.connect("local/echo", pcrs={"0": enclave.pcrs["0"]})
    with pytest.raises(pycape.PolicyError):
        pinned.connect("local/echo", pcrs={"1": enclave.pcrs["1"]})
    with pytest.raises(pycape.PolicyError):
        pinned.connect("local/echo", pcrs={"0": ["11" * 48, enclave.pcrs["0"]]})
    with pytest.raises(ValueError):
        Cape(enclave=enclave).connect("local/echo", pcrs={"0": []})
    wrong: Any = ["00"]
    with pytest.raises(TypeError):
        Cape(enclave=enclave).connect("local/echo", pcrs=wrong)


# The rest.


def test_a_function_context_connects_and_closes(enclave: LocalEnclave) -> None:
    cape = Cape(enclave=enclave)
    with cape.function_context("local/echo", Token("t"), pcrs=enclave.pcrs) as entered:
        assert entered is cape
        assert cape.invoke(b"x") == b"x"
    with pytest.raises(LookupError):
        with cape.function_context("local/echo"):
            raise LookupError
    with pytest.raises(pycape.ClosedError):
        cape.invoke(b"x")


def test_a_function_context_of_a_coroutine(enclave: LocalEnclave) -> None:
    async def main() -> None:
        cape = pycape.aio.Cape(enclave=enclave)
        async with cape.function_context("local/echo", Token("t")) as entered:
            assert entered is cape
            assert await cape.invoke(b"x") == b"x"
            assert await cape.run("local/echo", Token("t"), b"y") == b"y"
        with pytest.raises(pycape.ClosedError):
            await cape.invoke(b"x")

    asyncio.run(main())


def test_the_second_argument_of_a_client_may_be_verbose(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[bool] = []
    monkeypatch.setattr("pycape.client.show_debug", lambda: shown.append(True))
    cape = Cape("wss://enclave.example.com", True)
    assert shown == [True]
    with pytest.raises(ValueError, match="access_token"):
        cape.connect("user/name")
    Cape(None, False)
    assert shown == [True]


def test_without_a_url_it_is_that_of_the_environment(
    enclave: LocalEnclave, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAPE_ENCLAVE_HOST", enclave.url.replace("ws://", "http://"))
    cape = Cape(url=None, attestation_root=enclave.attestation_root, policy="any")
    assert cape.run("local/echo", b"x") == b"x"


def test_arguments_with_any_names(enclave: LocalEnclave) -> None:
    taken = {"self": 1, "serde_hooks": 2, "use_serdio": 3, "pcrs": 4, "function_ref": 5, "token": 6}
    cape = Cape(enclave=enclave)
    assert cape.run("local/echo", Arguments(0, **taken), use_serdio=True) == 0
    assert cape.run("local/echo", Arguments(b"x")) == b"x"
    assert cape.run("local/echo", Token("t"), Arguments(data=b"x")) == b"x"


def test_cape_encrypt_is_typed_for_all_that_holds_bytes() -> None:
    for annotation in (inspect.signature(cape_encrypt.encrypt).parameters[name].annotation for name in ("message", "key")):
        assert annotation == "checks.Data"


def test_cape_encrypt_refuses_what_is_no_rsa_key() -> None:
    with pytest.raises(ValueError):
        cape_encrypt.encrypt(b"x", b"no key")


def test_the_experimental_command_line(
    service: Running, monkeypatch: pytest.MonkeyPatch, clean_environment: pathlib.Path
) -> None:
    login = clean_environment / ".config" / "cape" / "auth"
    login.parent.mkdir(parents=True)
    login.write_text(json.dumps({"access_token": service.token}))
    monkeypatch.setenv("CAPE_ENCLAVE_HOST", service.url)
    monkeypatch.setenv("CAPE_ATTESTATION_ROOT", service.root)
    function = cli.deploy(FUNCTIONS / "echo", policy={"pcrs": service.pcrs})
    assert function.full_name == "ada/echo"
    token = cli.token("name", "description", "3600")
    assert Cape(policy="any").run(function, token, b"x") == b"x"
    assert cli.deploy(str(FUNCTIONS / "echo"), url=service.url, public=True, policy="any").id
    with pytest.raises(RuntimeError):
        cli.deploy(FUNCTIONS / "echo", url="ws://127.0.0.1:9", policy="any")
    with pytest.raises(ValueError):
        cli.token(expiry="soon")


def test_the_modules_come_with_their_first_use(python: Any) -> None:
    program = """
        import pycape
        print(hasattr(pycape, "no_such_thing"), pycape.aio.Cape, pycape.cape_encrypt.encrypt.__name__,
              pycape.experimental.cli.deploy.__name__, pycape.testing.FaultyEnclave.__name__)
    """
    assert python(program) == "False <class 'pycape.aio.Cape'> encrypt deploy FaultyEnclave"


# The twins of methods.


def test_a_method_has_a_twin_that_is_awaited(enclave: LocalEnclave) -> None:
    cape: Any = Cape(enclave=enclave)

    async def main() -> None:
        assert await cape.run.aio("local/echo", Token("t"), b"x") == b"x"
        await cape.connect.aio("local/echo")
        assert await asyncio.gather(*[cape.invoke.aio(b"%d" % n) for n in range(5)]) == [
            b"%d" % n for n in range(5)
        ]
        assert cape.report["verdict"] == "accepted"
        await cape.close.aio()
        with pytest.raises(pycape.ClosedError):
            await cape.invoke.aio(b"x")
        async with cape.function_context.aio("local/echo"):
            assert await cape.invoke.aio(b"in it") == b"in it"
        await cape.connect.aio("local/echo")

    asyncio.run(main())
    assert cape.invoke(b"the same connection") == b"the same connection"
    cape.close()


def test_a_method_with_a_twin_is_a_method_like_any_other() -> None:
    cape = Cape()
    bound: Any = cape.run
    assert inspect.signature(bound) == inspect.signature(pycape.aio.Cape().run)
    assert bound.__name__ == "run" and bound.__doc__ == Cape.run.__doc__
    assert bound == cape.run and hash(bound) == hash(cape.run)
    assert bound != Cape().run
    assert "Cape.run" in repr(bound)
    assert inspect.isfunction(Cape.run)
    assert not hasattr(bound, "no_such_thing")
