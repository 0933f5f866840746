"""Where the native library is, and why it could not be loaded."""

from __future__ import annotations

import ctypes
import os
import pathlib
import platform
import struct
import sys
import sysconfig
from typing import Iterator

from pycape.errors import LibraryError

_NAMES = {"darwin": "libcape.dylib", "win32": "libcape.dll"}
FILE_NAME = _NAMES.get(sys.platform, "libcape.so")

# e_machine of an ELF file, and what platform.machine() calls it.
_MACHINES = {3: "i686", 40: "armv7l", 62: "x86_64", 183: "aarch64", 243: "riscv64"}


def load() -> tuple[ctypes.CDLL, pathlib.Path]:
    """Loads the first library that is found: the one that CAPE_LIBRARY names, if set, else the
    one inside this package, else the one in the build folder of a source checkout.

    :raises LibraryError: none could be loaded; the text lists what was tried.
    """
    tried = []
    for origin, path in _candidates():
        if not path.exists():
            tried.append(f"{path} ({origin}): no such file")
            continue
        try:
            return ctypes.CDLL(os.fspath(path)), path
        except OSError as error:
            tried.append(f"{path} ({origin}): {_explain(path, error)}")
    raise LibraryError(
        f"the native library cannot be loaded: {'; '.join(tried)}; "
        "build it with make build, or set CAPE_LIBRARY to its path",
        reason="library.load",
    )


def _candidates() -> Iterator[tuple[str, pathlib.Path]]:
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
        with open(path, "rb") as file:
            head = file.read(20)
    except OSError as unreadable:
        return str(unreadable.strerror).lower()
    if sys.platform == "linux":
        if len(head) < 20 or not head.startswith(b"\x7fELF"):
            return "not a Linux library"
        (number,) = struct.unpack("<H" if head[5] == 1 else ">H", head[18:20])
        machine = _MACHINES.get(number, f"machine {number}")
        if machine != platform.machine():
            return f"built for {machine}, and this Python runs on {platform.machine()}"
        if "musl" in (sysconfig.get_config_var("HOST_GNU_TYPE") or ""):
            return "built for glibc, and this Python uses musl"
    return str(error)
