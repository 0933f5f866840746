"""Builds what pyproject.toml cannot say: the version, which is written once, in include/cape.h; the
native library inside the package; and a source distribution that holds the library's sources.

The sources are those of the checkout, or, in a source distribution, those in its folder native.
"""

from __future__ import annotations

import gzip
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import time
from typing import Iterator

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

HERE = pathlib.Path(__file__).resolve().parent
SOURCES = HERE / "native" if (HERE / "native").exists() else HERE.parent.parent

# What the library is built from, without its tests.
PARTS = ("Makefile", "go.mod", "go.sum", "capelib", "core", "export", "include")

# What Go calls a machine, and what the tag of a wheel does.
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}


def version() -> str:
    header = (SOURCES / "include" / "cape.h").read_text()
    numbers = dict(re.findall(r"^#define CAPE_VERSION_(\w+) (\d+)$", header, re.M))
    return "{MAJOR}.{MINOR}.{PATCH}".format_map(numbers)


def needed_tools() -> None:
    tools = {"GO": ("go", "Go 1.26 or later"), "CC": ("cc", "a C compiler"), "MAKE": ("make", "make")}
    missing = [
        what
        for variable, (usual, what) in tools.items()
        if not shutil.which(os.environ.get(variable, usual).split()[0])
    ]
    if missing:
        sys.exit(
            f"libcape is built from source here, and needs {' and '.join(missing)} in PATH: "
            "install that, or a wheel for this system"
        )


class Native(Distribution):
    """Not one for every system, although setuptools sees no extension module."""

    def has_ext_modules(self) -> bool:
        return True


class Modules(build_py):
    """The packages, with the native library in pycape. An editable install has none: it finds
    that in the build folder of its checkout."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            needed_tools()
            # Of the same sources the same library, wherever they lie.
            command = ["make", "-C", SOURCES, "build/libcape.so", "STRIP=-s -w -buildid="]
            flags = os.environ.get("GOFLAGS", "") + " -buildvcs=false"
            built = subprocess.run(command, env={**os.environ, "GOFLAGS": flags.strip()})
            if built.returncode != 0:
                sys.exit("libcape: the native library cannot be built; go says above why")
            target = pathlib.Path(self.build_lib, "pycape", "libcape.so")
            shutil.copyfile(SOURCES / "build" / "libcape.so", target)
            target.chmod(0o755)

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        outputs: list[str] = super().get_outputs(include_bytecode)
        if not self.editable_mode:
            outputs.append(os.path.join(self.build_lib, "pycape", "libcape.so"))
        return outputs


class Wheel(bdist_wheel):
    """A wheel for every Python, and for the system that Go builds for."""

    def get_tag(self) -> tuple[str, str, str]:
        _, _, platform = super().get_tag()
        machine = MACHINES.get(os.environ.get("GOARCH", ""))
        return "py3", "none", f"linux_{machine}" if machine else platform


class Sources(sdist):
    """The packages, and the sources of the library in the folder native. Two of the same commit
    are the same, where SOURCE_DATE_EPOCH says when."""

    def make_release_tree(self, base_dir: str, files: list[str]) -> None:
        super().make_release_tree(base_dir, files)
        for source in sorted(wanted()):
            target = pathlib.Path(base_dir, "native", source.relative_to(SOURCES))
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)

    def make_archive(self, base_name: str, *_: object, base_dir: str = "", **__: object) -> str:
        now = int(os.environ.get("SOURCE_DATE_EPOCH", time.time()))

        def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
            member.mtime, member.uid, member.gid, member.uname, member.gname = now, 0, 0, "", ""
            member.mode = 0o755 if member.isdir() else 0o644
            return member

        path = base_name + ".tar.gz"
        with open(path, "wb") as file, gzip.GzipFile("", "wb", 9, file, now) as packed:
            with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
                archive.add(base_dir, filter=plain)  # in the order of names
        return path


def wanted() -> Iterator[pathlib.Path]:
    for part in PARTS:
        for path in (SOURCES / part, *SOURCES.joinpath(part).rglob("*")):
            if path.is_file() and "testdata" not in path.parts:
                if not path.name.endswith(("_test.go", ".pyc")):
                    yield path


setup(
    version=version(),
    distclass=Native,
    cmdclass={"bdist_wheel": Wheel, "build_py": Modules, "sdist": Sources},
)
