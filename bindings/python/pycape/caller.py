"""The line of the program that called this package, for warnings."""

from __future__ import annotations

import os
import sys


def level() -> int:
    """The stacklevel of a warning by the function that asks, so that it names that line. Who made a
    task of a call is not to be seen from within it: then it is the line that runs the event loop."""
    count, frame = 1, sys._getframe(1)
    passed = tuple(filter(None, map(_folder, ("pycape", "asyncio"))))
    while frame.f_back is not None and frame.f_code.co_filename.startswith(passed):
        count, frame = count + 1, frame.f_back
    return count


def _folder(package: str) -> str:
    """Where its modules are; "" if that is not known, or none is loaded."""
    file = getattr(sys.modules.get(package), "__file__", None)
    return "" if file is None else os.path.join(os.path.dirname(file), "")
