"""The plugin for pytest, as an application's tests use it."""

from __future__ import annotations

import importlib.metadata
import re
from typing import Any

import pytest

import pycape
from conftest import FUNCTIONS, ROOT, VECTORS
from pycape.testing import FAULTS, PLAIN_NAMES, FaultyEnclave

pytest_plugins = ["pytester"]

ECHO, PYTHAGOREAN = str(FUNCTIONS / "echo"), str(FUNCTIONS / "pythagorean")


def test_it_is_installed_with_the_distribution() -> None:
    entries = importlib.metadata.entry_points(group="pytest11")
    assert [entry.value for entry in entries if entry.name == "libcape"] == ["pycape.pytest_plugin"]


def test_an_application_tests_how_it_takes_errors(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\naddopts = --strict-markers\n")
    pytester.makepyfile(
        f"""
        import pathlib, pycape, pytest

        pytestmark = pytest.mark.cape_functions({ECHO!r})
        urls = set()

        def application(enclave, timeout=None):
            cape = pycape.Cape(enclave.url, attestation_root=enclave.attestation_root,
                               policy={{"pcrs": enclave.pcrs}}, timeout=timeout)
            try:
                return cape.run("local/echo", b"x")
            except pycape.CapeError as error:
                return type(error).__name__

        @pytest.mark.parametrize("fault, expected", [
            ("expired", "AttestationError"),
            ("replayed nonce", "AttestationError"),
            ("wrong PCR", "PolicyError"),
            ("clock three days off", "AttestationError"),
            ("dropped connection", "ClosedError"),
            ("truncated-frame", "ClosedError"),
            ("no_reply", "CapeTimeoutError"),
            ("reject_token", "AuthError"),
        ])
        def test_fault(cape_enclave, fault, expected):
            urls.add(cape_enclave.url)
            cape_enclave.fail(fault)
            assert application(cape_enclave, timeout=0.3 if fault == "no_reply" else None) == expected

        def test_slow(cape_enclave):
            cape_enclave.fail("slow reply")
            assert application(cape_enclave, timeout=0.2) == "CapeTimeoutError"

        def test_afterwards_it_behaves_well(cape_enclave):
            assert application(cape_enclave) == b"x"
            cape_enclave.fail("expired")
            cape_enclave.recover()
            assert cape_enclave.client().run("local/echo", b"y") == b"y"
            with pytest.raises(ValueError):
                cape_enclave.fail("no such fault")

        def test_fails_in_the_middle(cape_enclave):
            cape_enclave.fail("expired")
            raise LookupError

        def test_it_has_recovered_from_that_too(cape_enclave):
            assert application(cape_enclave) == b"x"
            urls.add(cape_enclave.url)
            assert len(urls) == 1

        def test_that_ends_its_enclave(cape_enclave):
            with cape_enclave:
                assert application(cape_enclave) == b"x"

        def test_has_another_after_that(cape_enclave):
            assert application(cape_enclave) == b"x"

        @pytest.mark.cape_functions("mirror", {PYTHAGOREAN!r})
        def test_more_functions(cape_enclave):
            names = [function["name"] for function in cape_enclave.functions]
            assert sorted(names) == ["local/echo", "local/mirror", "local/pythagorean"]
        """
    )
    folder = pytester.mkdir("mirror")
    (folder / "app.py").write_text("def cape_handler(data): return data\n")
    result = pytester.runpytest_inprocess("-q", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=14, failed=1)
    result.stdout.fnmatch_lines(["FAILED *::test_fails_in_the_middle*"])


def test_the_settings_of_pytest_name_functions_for_all_tests(pytester: pytest.Pytester) -> None:
    pytester.makeini(f"[pytest]\ncape_functions = mirror\n    {ECHO}\n")
    folder = pytester.mkdir("mirror")
    (folder / "app.py").write_text("def cape_handler(data): return data\n")
    pytester.makepyfile(
        """
        def test_both(cape_enclave):
            for name in ("mirror", "echo"):
                assert cape_enclave.client().run(f"local/{name}", b"x") == b"x"
        """
    )
    pytester.runpytest_inprocess("-q", "-p", "no:cacheprovider").assert_outcomes(passed=1)


def test_the_example_of_the_readme_runs(pytester: pytest.Pytester) -> None:
    text = (ROOT / "bindings" / "python" / "README.md").read_text()
    [example] = [each for each in re.findall(r"```python\n(.*?)```", text, re.S) if "pytest" in each]
    (pytester.path / "tests").symlink_to(ROOT / "tests")
    pytester.makepyfile(example)
    pytester.runpytest_inprocess("-q", "-p", "no:cacheprovider").assert_outcomes(passed=1)


def test_the_marker_is_listed(pytester: pytest.Pytester) -> None:
    pytester.runpytest_inprocess("--markers").stdout.fnmatch_lines(["*cape_functions(*folders)*"])


@pytest.mark.parametrize("plain, name", PLAIN_NAMES.items())
def test_plain_names_are_of_known_faults(plain: str, name: str, cape_enclave: Any) -> None:
    assert f'"fault": "{name}"' in (VECTORS / "faults" / "faults.json").read_text()
    cape_enclave.fail(plain.replace("_", " ").upper())


def test_a_fault_that_is_no_text_is_a_type_error(cape_enclave: FaultyEnclave) -> None:
    wrong: Any = 5
    with pytest.raises(TypeError) as caught:
        cape_enclave.fail(wrong)
    assert isinstance(caught.value, pycape.CapeError)


def test_a_test_without_a_function_is_told_of_the_marker(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_forgotten(cape_enclave):
            cape_enclave.client().run("local/echo", b"x")
        """
    )
    result = pytester.runpytest_inprocess("-q", "-p", "no:cacheprovider")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["cape_enclave serves no function * @pytest.mark.cape_functions(*"])


def test_a_marker_with_a_list_is_an_error_that_says_so(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        f"""
        import pytest

        @pytest.mark.cape_functions([{ECHO!r}])
        def test_it(cape_enclave):
            pass
        """
    )
    result = pytester.runpytest_inprocess("-q", "-p", "no:cacheprovider")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*cape_functions takes folders, each as an argument of its own, and not list"])


def test_every_fault_is_described(cape_enclave: FaultyEnclave) -> None:
    header = (ROOT / "include" / "cape.h").read_text()
    listed = header[header.index("at the handshake ") : header.index("cape_enclave_set_faults(")]
    assert set(FAULTS) == set(re.findall(r"\b[a-z]+_[a-z0-9_]+\b", listed)) - {"int32_t"}
    for name in FAULTS:
        cape_enclave.fail(name)


def test_a_fault_that_is_unknown_is_a_value_error_that_says_where_they_are() -> None:
    for make in (lambda: FaultyEnclave(faults=["no such"]), lambda: FaultyEnclave().fail("no such")):
        with pytest.raises(pycape.ArgumentError, match=r"pycape\.testing\.FAULTS lists them"):
            make()
