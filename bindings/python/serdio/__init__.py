"""Python values as bytes, for the arguments and the results of functions in an enclave.

Start with :func:`lift_io` in the function and ``use_serdio=True`` in ``pycape.Cape.invoke``, or
call :func:`serialize` and :func:`deserialize` yourself. On top of MessagePack it keeps tuples,
sets, frozensets and complex numbers what they were. It needs neither pycape nor its library.

:mod:`serdio.ext` adds numpy's arrays, dates and times, Decimal, UUID and dataclasses, for those
who ask for it.
"""

from typing import TYPE_CHECKING

from serdio.decoder import deserialize
from serdio.encoder import serialize, serialize_call
from serdio.errors import DecodeError
from serdio.hooks import SerdeHookBundle, bundle_serde_hooks
from serdio.lifter import IOLifter, lift_io

__all__ = [
    "DecodeError",
    "IOLifter",
    "SerdeHookBundle",
    "bundle_serde_hooks",
    "deserialize",
    "lift_io",
    "serialize",
    "serialize_call",
]

if TYPE_CHECKING:
    from serdio import ext as ext
else:

    def __getattr__(name):
        """The extensions come with their first use."""
        if name != "ext":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        return import_module(f"{__name__}.{name}")
