"""Judges the attestation documents that standard input lists, on each line a path, a tab, and
the options by the names of cape.h. Prints for each its code, reason and report, with tabs
between."""

from __future__ import annotations

import datetime
import json
import pathlib
import sys
from typing import Any

import pycape


def arguments(
    *,
    policy: str | dict[str, Any],
    nonce: str | None = None,
    attestation_roots: str | None = None,
    time: str | None = None,
    **others: Any,
) -> dict[str, Any]:
    """What pycape.verify takes."""
    return {
        "policy": policy,
        "nonce": None if nonce is None else bytes.fromhex(nonce),
        "attestation_root": attestation_roots,
        "time": None if time is None else datetime.datetime.fromisoformat(time),
        **others,
    }


for line in sys.stdin:
    path, options = line.split("\t")
    code, reason = 0, ""
    report: dict[str, Any] | None
    try:
        report = pycape.verify(
            pathlib.Path(path).read_bytes(), **arguments(**json.loads(options))
        )
    except (pycape.AttestationError, pycape.PolicyError) as error:
        code, reason, report = error.code, error.reason, error.report
    print(code, reason, json.dumps(report), sep="\t")
