"""Judging an attestation document that the caller has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pycape import _ffi, checks, pem, policy as policies
from pycape.errors import ArgumentError, ArgumentTypeError

if TYPE_CHECKING:
    import datetime


def verify(
    document: bytes,
    policy: policies.PolicyLike,
    *,
    nonce: bytes | None = None,
    attestation_root: pem.PEM | None = None,
    public_key_length: int | None = None,
    time: datetime.datetime | None = None,
    at_document_time: bool = False,
) -> dict[str, Any]:
    """Verifies an attestation document, as :meth:`Cape.connect` does the one it asks for::

        report = pycape.verify(document, {"pcrs": {"0": ["1f0c..."]}}, nonce=nonce)

    :param document: raw CBOR.
    :param policy: which enclaves are accepted: "any", a dict, or the path of a JSON file.
    :param nonce: what the document must carry. None: the document may be an old one.
    :param attestation_root: trust this root in place of AWS's: PEM, or a path. No environment
        variable is read here.
    :param public_key_length: bytes that the document's public key must have; ``connect`` asks
        for 32.
    :param time: judge validity at this time, which has a time zone. None: now.
    :param at_document_time: judge an archived document at the time that it was signed. It says
        nothing about who answers now.
    :returns: the report, as JSON would have it.
    :raises AttestationError: the document does not prove an enclave; with the report.
    :raises PolicyError: it does, but not one that the policy accepts; with the report.
    :raises ValueError, TypeError: an argument is not usable.
    """
    if not isinstance(document, (bytes, bytearray, memoryview)):
        raise ArgumentTypeError(
            f"an attestation document must be bytes, not {type(document).__name__}",
            reason="argument.input",
        )
    if policy is None:
        raise ArgumentError(
            'no policy was given: pin the PCRs you expect, or say "any"',
            reason="argument.policy_missing",
        )
    if nonce is not None and not isinstance(nonce, (bytes, bytearray)):
        raise ArgumentTypeError(
            f"a nonce must be bytes, not {type(nonce).__name__}", reason="argument.options"
        )
    if nonce is not None and not nonce:
        raise ArgumentError(
            "the nonce is empty: give the bytes that the document was asked for with, or None",
            reason="argument.options",
        )
    if time is not None and not hasattr(time, "utcoffset"):
        raise ArgumentTypeError(
            f"the time must be a datetime, not {type(time).__name__}", reason="argument.options"
        )
    if time is not None and time.utcoffset() is None:
        raise ArgumentError(
            "the time has no time zone: give one, such as datetime.timezone.utc",
            reason="argument.options",
        )
    options = {
        "policy": policies.read(policy),
        "nonce": None if nonce is None else nonce.hex(),
        "attestation_roots": pem.read(attestation_root, "attestation_root", "argument.roots"),
        "public_key_length": checks.whole(public_key_length, "public_key_length"),
        "time": None if time is None else time.isoformat(),
        "at_document_time": at_document_time or None,
    }
    given = {name: value for name, value in options.items() if value is not None}
    return _ffi.verify(bytes(memoryview(document)), given)
