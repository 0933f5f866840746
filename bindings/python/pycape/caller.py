"""The line of the program that called this package, for warnings."""

from __future__ import annotations

import os
import sys


def level() -> int:
    """The stacklevel of a warning by the function that asks, so that it names that line."""
    package, count, frame = os.path.dirname(__file__), 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(package + os.sep):
        count, frame = count + 1, frame.f_back
    return count
