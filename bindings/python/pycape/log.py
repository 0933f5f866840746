"""The logger of this package, "pycape", which is quiet unless a program sets up logging.

:mod:`logging` is loaded for a message that somebody may see, and not when this package is.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import logging


def logger() -> logging.Logger:
    """The logger."""
    import logging

    return logging.getLogger("pycape")


def listener() -> logging.Logger | None:
    """The logger, if the program has loaded logging: else nobody asked for what is no warning."""
    return logger() if "logging" in sys.modules else None


def show_debug() -> None:
    """Shows its debug messages, also where logging has not been set up."""
    import logging

    shown = logger()
    shown.setLevel(logging.DEBUG)
    if not shown.hasHandlers():
        shown.addHandler(logging.StreamHandler())
