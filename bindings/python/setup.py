"""The version is written once, in include/cape.h; everything else is in pyproject.toml."""

import pathlib
import re

from setuptools import setup

HEADER = pathlib.Path(__file__).resolve().parent.parent.parent / "include" / "cape.h"


def version() -> str:
    numbers = dict(re.findall(r"^#define CAPE_VERSION_(\w+) (\d+)$", HEADER.read_text(), re.M))
    return "{MAJOR}.{MINOR}.{PATCH}".format_map(numbers)


setup(version=version())
