"""Where things are, and the local enclaves that tests share."""

from __future__ import annotations

import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[3]
FUNCTIONS = ROOT / "tests" / "functions"
VECTORS = ROOT / "tests" / "vectors"
