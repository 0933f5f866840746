"""Python values as bytes, for the arguments and the results of functions in an enclave.

Start with :func:`lift_io` in the function and ``use_serdio=True`` in ``pycape.Cape.invoke``, or
call :func:`serialize` and :func:`deserialize` yourself. On top of MessagePack it keeps tuples,
sets, frozensets and complex numbers what they were. It needs neither pycape nor its library.
"""

from serdio.decoder import deserialize
from serdio.encoder import serialize
from serdio.hooks import SerdeHookBundle, bundle_serde_hooks
from serdio.lifter import IOLifter, lift_io

__all__ = [
    "IOLifter",
    "SerdeHookBundle",
    "bundle_serde_hooks",
    "deserialize",
    "lift_io",
    "serialize",
]
