"""Call code that runs inside a trusted execution environment, and know which code answered.

Start with :class:`Cape`, and with :class:`LocalEnclave` to have an enclave on your machine::

    import pycape

    with pycape.LocalEnclave("echo") as enclave, pycape.Cape(enclave=enclave) as cape:
        print(cape.run("local/echo", b"hello"))

In programs that use asyncio it is ``pycape.aio.Cape``. :mod:`pycape.testing` is for the tests of an
application. Every error is a :class:`CapeError`. The package logs to "pycape", and is quiet by
default.
"""

from typing import TYPE_CHECKING

from pycape._abi import load_library
from pycape._ffi import Progress
from pycape.attestation import verify
from pycape.auth import FunctionAuth, FunctionAuthType
from pycape.call import Arguments
from pycape.cape import Cape
from pycape.enclave import FunctionInfo, LocalEnclave
from pycape.errors import (
    ArgumentError,
    ArgumentOverflowError,
    ArgumentTypeError,
    AttestationError,
    AuthError,
    CancelledError,
    CapeError,
    CapeMemoryError,
    CapeTimeoutError,
    ClosedError,
    ConnectError,
    ForkedError,
    FunctionError,
    InternalError,
    LibraryError,
    LimitError,
    PolicyError,
    ProtocolError,
    SerdioError,
    TLSError,
    UnpinnedWarning,
)
from pycape.function_ref import FunctionRef
from pycape.monitor import LogRecord, counters, log_records
from pycape.service import DeployedFunction, TokenInfo
from pycape.token import Token

__all__ = [
    "Arguments",
    "ArgumentError",
    "ArgumentOverflowError",
    "ArgumentTypeError",
    "AttestationError",
    "AuthError",
    "CancelledError",
    "Cape",
    "CapeError",
    "CapeMemoryError",
    "CapeTimeoutError",
    "ClosedError",
    "ConnectError",
    "DeployedFunction",
    "ForkedError",
    "FunctionAuth",
    "FunctionAuthType",
    "FunctionError",
    "FunctionInfo",
    "FunctionRef",
    "InternalError",
    "LibraryError",
    "LimitError",
    "LocalEnclave",
    "LogRecord",
    "PolicyError",
    "Progress",
    "ProtocolError",
    "SerdioError",
    "TLSError",
    "Token",
    "TokenInfo",
    "UnpinnedWarning",
    "counters",
    "load_library",
    "log_records",
    "verify",
]

if TYPE_CHECKING:
    from pycape import aio as aio
    from pycape import cape_encrypt as cape_encrypt
    from pycape import experimental as experimental
    from pycape import testing as testing
else:

    def __getattr__(name):
        """The modules that are not for every program come with their first use."""
        if name not in ("aio", "cape_encrypt", "experimental", "testing"):
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        return import_module(f"{__name__}.{name}")
