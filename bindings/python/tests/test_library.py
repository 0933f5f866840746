"""The native library: where it is looked for, what it must be, and what is known of it."""

from __future__ import annotations

import ctypes
import os
import pathlib
import platform
import re
import struct
import subprocess
import sysconfig
import textwrap
from typing import Any, Callable

import pytest

import pycape
from conftest import ROOT
from pycape import _ffi, _library

HEADER = (ROOT / "include" / "cape.h").read_text()
UNCOMMENTED = re.sub(r"/\*.*?\*/", "", HEADER, flags=re.S)

TRY = """
    import sys, pycape
    try:
        with pycape.LocalEnclave() as enclave:
            print("loaded")
    except pycape.LibraryError as error:
        print(error.reason, error)
"""


def test_every_function_of_the_header_is_in_the_table_with_its_parameters() -> None:
    functions = re.findall(r"CAPE_API int32_t (cape_\w+)\(([^)]*)\);", UNCOMMENTED)
    assert [name for name, _ in functions] == list(_ffi.SIGNATURES)
    types = {
        "cape_handle": ctypes.c_uint64,
        "cape_handle *": ctypes.POINTER(ctypes.c_uint64),
        "size_t": ctypes.c_size_t,
        "const char *": ctypes.c_char_p,
        "const uint8_t *": ctypes.c_char_p,
        "uint8_t *": ctypes.c_char_p,
        "uint32_t": ctypes.c_uint32,
        "int32_t *": ctypes.POINTER(ctypes.c_int32),
        "uint32_t *": ctypes.POINTER(ctypes.c_uint32),
        "uint64_t *": ctypes.POINTER(ctypes.c_uint64),
        "size_t *": ctypes.POINTER(ctypes.c_size_t),
        "cape_progress *": ctypes.POINTER(_ffi._Progress),
        "cape_buf *": ctypes.POINTER(_ffi._Buf),
        "cape_error *": ctypes.POINTER(_ffi._Error),
    }
    for name, parameters in functions:
        declared = [re.sub(r"\w+$", "", part.strip()).strip() for part in parameters.split(",")]
        assert tuple(types[kind] for kind in declared) == _ffi.SIGNATURES[name], name


@pytest.mark.parametrize(
    "name, structure",
    [("cape_buf", _ffi._Buf), ("cape_error", _ffi._Error), ("cape_progress", _ffi._Progress)],
)
def test_the_structures_are_those_of_the_header(name: str, structure: Any) -> None:
    types = {
        "uint8_t *": ctypes.c_void_p,
        "size_t ": ctypes.c_size_t,
        "uint32_t ": ctypes.c_uint32,
        "int32_t ": ctypes.c_int32,
        "uint64_t ": ctypes.c_uint64,
    }
    found = re.search(rf"typedef struct {name} {{(.*?)}} {name};", UNCOMMENTED, re.S)
    assert found is not None
    fields = []
    for kind, field, count in re.findall(r"(\w+ \*?)(\w+)(?:\[(\d+)\])?;", found[1]):
        fields.append((field, ctypes.c_char * int(count) if count else types[kind]))
    assert fields == structure._fields_


def test_the_package_has_the_version_of_the_header() -> None:
    import importlib.metadata

    numbers = re.findall(r"^#define CAPE_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)$", HEADER, re.M)
    assert importlib.metadata.version("libcape") == ".".join(numbers)
    assert str(_ffi.MAJOR) == numbers[0]


def test_no_other_file_handles_pointers() -> None:
    for path in pathlib.Path(pycape.__file__).parent.glob("*.py"):
        if path.name not in ("_abi.py", "_ffi.py", "_library.py"):
            assert not re.search(r"ctypes|_lib\(|\b_handle\b", path.read_text()), path.name


def test_a_library_that_is_named_and_missing_is_said(python: Callable[..., str]) -> None:
    said = python(TRY, CAPE_LIBRARY="/no/such/libcape.so")
    assert said.startswith("library.load the native library cannot be loaded: ")
    assert "/no/such/libcape.so (CAPE_LIBRARY): no such file" in said
    assert "build tree" not in said, "a library that is named is not replaced by another"


def test_a_library_for_another_machine_is_said(
    python: Callable[..., str], tmp_path: pathlib.Path
) -> None:
    other = (183, "aarch64") if platform.machine() == "x86_64" else (62, "x86_64")
    path = tmp_path / "libcape.so"
    head = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HH", 3, other[0]) + bytes(200)
    path.write_bytes(head)
    assert f"built for {other[1]}, and this Python runs on" in python(TRY, CAPE_LIBRARY=str(path))


@pytest.mark.parametrize("content", [b"", b"text", b"\x7fELF"])
def test_a_file_that_is_no_library_is_said(
    python: Callable[..., str], tmp_path: pathlib.Path, content: bytes
) -> None:
    path = tmp_path / "libcape.so"
    path.write_bytes(content)
    assert "not a Linux library" in python(TRY, CAPE_LIBRARY=str(path))


def test_a_library_under_musl_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    path = tmp_path / "libcape.so"
    number = {name: n for n, name in _library._MACHINES.items()}[platform.machine()]
    path.write_bytes(
        b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HH", 3, number) + bytes(200)
    )
    monkeypatch.setenv("CAPE_LIBRARY", str(path))
    monkeypatch.setattr(sysconfig, "get_config_var", lambda name: "x86_64-pc-linux-musl")
    with pytest.raises(pycape.LibraryError, match="built for glibc, and this Python uses musl"):
        _library.load()


def test_a_library_for_another_size_of_pointers_is_said(
    python: Callable[..., str], tmp_path: pathlib.Path
) -> None:
    number = {name: n for n, name in _library._MACHINES.items()}[platform.machine()]
    path = tmp_path / "libcape.so"
    path.write_bytes(b"\x7fELF\x01\x01\x01" + bytes(9) + struct.pack("<HH", 3, number) + bytes(200))
    assert "built for 32 bits, and this Python has 64" in python(TRY, CAPE_LIBRARY=str(path))


def test_a_library_for_a_newer_glibc_is_said(
    python: Callable[..., str], tmp_path: pathlib.Path
) -> None:
    future = tmp_path / "future"
    future.mkdir()
    versions = future / "versions"
    versions.write_text("GLIBC_2.99 { global: tomorrow; };")
    flags = ["-nostdlib", "-Wl,-soname,libc.so.6", f"-Wl,--version-script={versions}"]
    libc = compiled("int tomorrow(void) { return 0; }", future / "libc.so.6", *flags)
    source = "int tomorrow(void); int cape_version(void) { return tomorrow(); }"
    path = compiled(source, tmp_path / "libcape.so", "-nostdlib", str(libc))
    said = python(TRY, CAPE_LIBRARY=str(path))
    assert f"needs glibc 2.99, and this system has {platform.libc_ver()[1]}" in said


def test_a_folder_in_its_place_is_said(python: Callable[..., str], tmp_path: pathlib.Path) -> None:
    assert f"{tmp_path} (CAPE_LIBRARY): is a directory" in python(TRY, CAPE_LIBRARY=str(tmp_path))


def test_a_library_that_another_one_lacks_is_said_by_the_loader(
    python: Callable[..., str], tmp_path: pathlib.Path
) -> None:
    other = compiled("int other(void) { return 0; }", tmp_path / "libother.so", "-Wl,-soname,libother.so")
    path = compiled("int other(void); int f(void) { return other(); }", tmp_path / "libcape.so", str(other))
    assert "libother.so: cannot open shared object file" in python(TRY, CAPE_LIBRARY=str(path))


NAMED = """
    import sys, pycape
    try:
        pycape.load_library(sys.argv[1])
    except pycape.LibraryError as error:
        print(error.reason, error)
"""


def test_a_library_can_be_named_by_the_program(python: Callable[..., str]) -> None:
    _, path = _library.load()
    program = NAMED + """
    with pycape.LocalEnclave() as enclave:
        print(enclave.url[:5])
    """
    assert python(program, str(path), CAPE_LIBRARY="/no/such/file") == "ws://"


def test_a_library_that_the_program_names_is_not_replaced_by_another(
    python: Callable[..., str],
) -> None:
    said = python(NAMED, "/no/such/libcape.so")
    assert "tried" not in said and "packaged" not in said
    assert "cannot be loaded: /no/such/libcape.so (load_library): no such file; " in said


def test_a_failure_to_load_the_named_library_can_be_mended(python: Callable[..., str]) -> None:
    program = NAMED + """
    with pycape.LocalEnclave() as enclave:
        print(enclave.url[:5])
    """
    assert python(program, "/no/such/file").endswith("ws://")


def test_a_library_cannot_be_named_after_one_is_loaded(python: Callable[..., str]) -> None:
    _, path = _library.load()
    program = "import pycape; pycape.counters()\n" + textwrap.dedent(NAMED)
    assert "loaded already: name another before the first call" in python(program, str(path))


def test_what_was_tried_is_listed(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    package = tmp_path / "bindings" / "python" / "pycape"
    package.mkdir(parents=True)
    (tmp_path / "include").mkdir()
    (tmp_path / "include" / "cape.h").touch()
    monkeypatch.delenv("CAPE_LIBRARY", raising=False)
    monkeypatch.setattr(_library, "__file__", str(package / "_library.py"))
    with pytest.raises(pycape.LibraryError) as caught:
        _library.load()
    tried = [f"{package}/libcape.so (packaged)", f"{tmp_path}/build/libcape.so (build tree)"]
    assert all(f"{where}: no such file" in str(caught.value) for where in tried)
    assert "make build" in str(caught.value)


def compiled(source: str, path: pathlib.Path, *flags: str) -> pathlib.Path:
    compiler = [os.environ.get("CC", "cc"), "-shared", "-fPIC", "-I", ROOT / "include", "-o", path]
    subprocess.run(
        [*compiler, "-x", "c", "-", "-x", "none", *flags],
        input=source,
        text=True,
        check=True,
        timeout=60,
    )
    return path


def stand_in(major: int, without: str = "") -> str:
    functions = "".join(
        f"int {name}() {{ return 0; }}\n"
        for name in _ffi.SIGNATURES
        if name not in ("cape_version", without)
    )
    return functions + (
        "#include <stdint.h>\n"
        "int cape_version(uint32_t *major, uint32_t *minor, uint32_t *patch, void *err)"
        f"{{ *major = {major}; *minor = 3; *patch = 1; return 0; }}\n"
    )


def test_a_library_of_another_major_version_is_refused(
    python: Callable[..., str], tmp_path: pathlib.Path
) -> None:
    path = compiled(stand_in(_ffi.MAJOR + 1), tmp_path / "libcape.so")
    said = python(TRY, CAPE_LIBRARY=str(path))
    assert said.startswith("library.version ")
    assert "is libcape 2.3.1, and this package needs 1.x" in said


def test_a_library_that_lacks_a_function_is_refused(
    python: Callable[..., str], tmp_path: pathlib.Path
) -> None:
    path = compiled(stand_in(_ffi.MAJOR, "cape_invoke"), tmp_path / "libcape.so")
    said = python(TRY, CAPE_LIBRARY=str(path))
    assert said.startswith("library.version ")
    assert "has no cape_invoke" in said


def test_the_library_is_loaded_once_a_failure_is_mended(python: Callable[..., str]) -> None:
    program = """
        import os, pycape
        named = os.environ.pop("CAPE_LIBRARY")
        os.environ["CAPE_LIBRARY"] = "/no/such/file"
        try:
            pycape.LocalEnclave().url
        except pycape.LibraryError:
            pass
        os.environ["CAPE_LIBRARY"] = named
        with pycape.LocalEnclave() as enclave:
            print(enclave.url[:5])
    """
    _, path = _library.load()
    assert python(program, CAPE_LIBRARY=str(path)) == "ws://"

