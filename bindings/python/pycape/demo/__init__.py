"""Shows on this machine what libcape does, with nothing but what was installed::

    python -m pycape.demo

It starts a local enclave, has it prove itself, calls a function in it, and has an enclave refused
that is not the one asked for.
"""

from __future__ import annotations

import pathlib
from typing import Any

import pycape

FUNCTION = pathlib.Path(__file__).resolve().parent / "pythagorean"


def main() -> None:
    """Prints what was proved, in a few lines.

    :raises CapeError: something is not as it should be.
    """
    with pycape.LocalEnclave(FUNCTION, tls=True) as enclave:
        checksum = enclave.functions[0]["checksum"]
        policy = {"pcrs": {"0": [enclave.pcrs["0"]]}, "function_checksum": checksum}
        with pycape.Cape(enclave=enclave, policy=policy) as cape:
            cape.connect("local/pythagorean")
            result = cape.invoke(3, 4, use_serdio=True)
            report = cape.report
        assert report is not None
        print(f"enclave     {enclave.url}, a simulated one in this process")
        print(f"verdict     {report['verdict']}: {_steps(report)} hold")
        print(f"signed by   {report['root_sha256']}, the root that was named")
        print(f"checksum    {report['function_checksum']}, that of the function's zip")
        for index in "012":
            print(f"PCR{index}        {report['pcrs'][index]}")
        print(f"result      pythagorean(3, 4) = {result:g}, sealed for that enclave alone")
        print(f"refused     another function: {_refusal(enclave)}")


def _steps(report: dict[str, Any]) -> str:
    return ", ".join(step["step"] for step in report["steps"] if step["status"] == "ok")


def _refusal(enclave: pycape.LocalEnclave) -> str:
    """How the enclave is refused where another function is asked for."""
    with pycape.Cape(enclave=enclave, policy={"function_checksum": "00" * 32}) as cape:
        try:
            cape.connect("local/pythagorean")
        except pycape.PolicyError as error:
            return str(error.reason)
    raise AssertionError("a function of another checksum was accepted")
