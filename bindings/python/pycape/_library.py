"""Where the native library is, and why it could not be loaded.

What only explains a failure is imported where it is needed, and not at every start.
"""

from __future__ import annotations

import ctypes
import os
import pathlib
import sys
from typing import Iterator

from pycape.errors import LibraryError

_NAMES = {"darwin": "libcape.dylib", "win32": "libcape.dll"}
FILE_NAME = _NAMES.get(sys.platform, "libcape.so")

# e_machine of an ELF file, and what platform.machine() calls it.
_MACHINES = {3: "i686", 40: "armv7l", 62: "x86_64", 183: "aarch64", 243: "riscv64"}

_chosen: pathlib.Path | None = None


def load_library(path: str | os.PathLike[str]) -> None:
    """Does what pycape.load_library says."""
    global _chosen
    from pycape import _abi

    if _abi.library.cache_info().currsize:
        raise LibraryError(
            "the native library is loaded already: name another before the first call",
            reason="library.load",
        )
    _chosen = pathlib.Path(path).absolute()
    try:
        _abi.library()
    except LibraryError:
        _chosen = None
        raise


def load() -> tuple[ctypes.CDLL, pathlib.Path]:
    """Loads the first library that can be.

    :raises LibraryError: none can; the text lists what was tried, and why each was not it.
    """
    tried = []
    for origin, path in _candidates():
        try:
            return ctypes.CDLL(os.fspath(path)), path
        except OSError as error:
            tried.append(f"{path} ({origin}): {_explain(path, error)}")
    raise LibraryError(
        f"the native library cannot be loaded: {'; '.join(tried)}; install a wheel for this "
        "system, or build it with make build, or set CAPE_LIBRARY to its path",
        reason="library.load",
    )


def _candidates() -> Iterator[tuple[str, pathlib.Path]]:
    if _chosen is not None:
        yield "load_library", _chosen
        return
    named = os.environ.get("CAPE_LIBRARY")
    if named:
        yield "CAPE_LIBRARY", pathlib.Path(named).absolute()
        return
    package = pathlib.Path(__file__).resolve().parent
    yield "packaged", package / FILE_NAME
    checkout = package.parents[2]
    if (checkout / "include" / "cape.h").exists():
        yield "build tree", checkout / "build" / FILE_NAME


def _explain(path: pathlib.Path, error: OSError) -> str:
    """The dynamic loader's text, or something clearer where the file tells."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return "no such file"
    except OSError as unreadable:
        return str(unreadable.strerror).lower()
    if sys.platform != "linux":
        return str(error)
    return _mismatch(content) or str(error)


def _mismatch(content: bytes) -> str | None:
    """Why a library is not one for this Python: ELF, System V ABI, chapter 4."""
    import platform
    import re
    import struct
    import sysconfig

    if len(content) < 64 or not content.startswith(b"\x7fELF"):
        return "not a Linux library"
    bits, ours = {1: 32, 2: 64}.get(content[4]), 64 if sys.maxsize > 2**32 else 32
    (number,) = struct.unpack("<H" if content[5] == 1 else ">H", content[18:20])
    machine = _MACHINES.get(number, f"machine {number}")
    if machine != platform.machine():
        return f"built for {machine}, and this Python runs on {platform.machine()}"
    if bits != ours:
        return f"built for {bits} bits, and this Python has {ours}"
    if "musl" in (sysconfig.get_config_var("HOST_GNU_TYPE") or ""):
        return "built for glibc, and this Python uses musl"
    needed = max((int(minor) for minor in re.findall(rb"\0GLIBC_2\.(\d+)", content)), default=0)
    if needed > _glibc():
        return f"needs glibc 2.{needed}, and this system has 2.{_glibc()}"
    return None


def _glibc() -> int:
    """The minor version of this system's glibc 2."""
    try:
        _, _, minor = (os.confstr("CS_GNU_LIBC_VERSION") or "").rpartition(".")
        return int(minor)
    except (OSError, ValueError):
        return sys.maxsize  # nobody knows
