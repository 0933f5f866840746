"""The ways in which a local enclave misbehaves when it is told to."""

from __future__ import annotations

from typing import Any

from pycape import checks
from pycape.errors import ArgumentError, ArgumentTypeError

_CHECKSUM = "seen where the policy or the FunctionRef has a checksum"

#: The faults by name, and what the enclave then does.
FAULTS = {
    "silent_handshake": "takes the connection and never answers",
    "reject_token": "refuses the token, whatever it is",
    "reject_upgrade": "answers that it is not available (HTTP status 503)",
    "silent_start": "never sends a document",
    "start_not_json": "sends what is no JSON in place of the document",
    "start_no_message": "sends JSON without the document",
    "start_not_base64": "sends a document that is not base64",
    "start_error": "sends an error in place of the document",
    "start_binary": "sends the document as a binary message",
    "start_dropped": "drops the connection in place of the document",
    "document_truncated": "the document lacks its second half",
    "document_tampered": "PCR0 was changed after the document was signed",
    "expired_leaf": "the certificate that signed has expired",
    "foreign_root": "another root vouches for the document, and is sent along",
    "foreign_chain": "the right root is sent along, but did not vouch for it",
    "replayed_nonce": "the document answers another connection",
    "missing_nonce": "the document has no nonce",
    "zero_pcrs": "PCR0 to PCR2 are zero, as in debug mode",
    "wrong_pcr": "PCR0 is that of other code; seen where the policy has pcrs",
    "missing_key": "the document has no key to seal inputs to",
    "short_key": "that key has 16 bytes",
    "clock_off": "its clock is three days ahead",
    "wrong_checksum": f"the function's checksum is another; {_CHECKSUM}",
    "missing_checksum": f"the document has no checksum; {_CHECKSUM}",
    "missing_user_data": f"the document says nothing of the function; {_CHECKSUM}",
    "idle_dropped": "drops the connection after the document and after each reply",
    "invoke_dropped": "drops the connection when a request comes",
    "reply_not_json": "answers a request with what is no JSON",
    "reply_no_message": "answers with JSON without a result",
    "reply_not_base64": "answers with a result that is not base64",
    "reply_binary": "answers with the result as a binary message",
    "reply_error": "answers with an error, as if the function had failed",
    "truncated_frame": "sends half an answer, then drops the connection",
    "slow_reply": "answers two seconds late",
    "no_reply": "never answers a request",
    "huge_reply": "answers with a gibibyte",
}


def check(names: Any) -> list[str]:
    """
    :raises ValueError: a name is that of no fault.
    :raises TypeError: these are no names.
    """
    if isinstance(names, (str, bytes)) or not hasattr(names, "__iter__"):
        raise ArgumentTypeError(
            f"faults must be names, not {type(names).__name__}", reason="argument.type"
        )
    known = list(names)
    for name in known:
        if not isinstance(name, str):
            raise ArgumentTypeError(
                f"a fault's name must be text, not {type(name).__name__}", reason="argument.fault"
            )
        if name not in FAULTS:
            raise ArgumentError(
                f"no fault is named {checks.quoted(name)}: pycape.testing.FAULTS lists them",
                reason="argument.fault",
            )
    return known
