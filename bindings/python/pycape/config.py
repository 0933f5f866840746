"""The folder of settings that the command line and this package share, ``~/.config/cape``."""

from __future__ import annotations

import os

from pycape.errors import ArgumentTypeError


def folder() -> str:
    """The folder, which CAPE_LOCAL_CONFIG_DIR names if it is set."""
    named = os.environ.get("CAPE_LOCAL_CONFIG_DIR")
    return named or os.path.join(os.path.expanduser("~"), ".config", "cape")


def auth_file() -> str:
    """Where a login is kept."""
    return os.path.join(folder(), _named("CAPE_LOCAL_AUTH_FILE_NAME", "CAPE_LOCAL_AUTH_FILENAME") or "auth")


def key_file_name() -> str:
    """What a file with a Cape key is called."""
    named = _named("CAPE_LOCAL_CAPE_KEY_FILE_NAME", "CAPE_LOCAL_CAPE_KEY_FILENAME")
    return os.path.basename(named) or "capekey.pub.der"


def _named(*names: str) -> str:
    """The first of these variables that is set: the command line's name, then that of pycape 3."""
    return next((value for value in map(os.environ.get, names) if value), "")


def tls_is_to_be_unchecked() -> str | None:
    """The variable, if any, by which earlier versions left TLS unchecked. A value that says no is
    none."""
    for name in ("CAPE_DEV_DISABLE_SSL", "CAPEDEV_DISABLE_SSL"):
        if os.environ.get(name, "").strip().lower() not in ("", "0", "f", "false", "n", "no", "off"):
            return name
    return None


def expanded(path: str | bytes | os.PathLike[str] | os.PathLike[bytes]) -> str:
    """A path as text, with a home folder in place of its "~".

    :raises TypeError: it is no path.
    """
    try:
        text = os.fsdecode(path)
    except TypeError as error:
        raise ArgumentTypeError(
            f"a path must be text or a path, not {type(path).__name__}", reason="argument.type"
        ) from error
    try:
        return os.path.expanduser(text)
    except ValueError:
        return text  # no user is called like that, and no file


def make_folder(path: str) -> None:
    """Makes a folder, and those above it that are missing, which only their owner may enter."""
    above = os.path.dirname(path)
    if above and not os.path.isdir(above):
        make_folder(above)
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        pass


def write(path: str, content: bytes) -> None:
    """Writes a file that only its owner may read, all of it or nothing."""
    import tempfile

    handle, name = tempfile.mkstemp(dir=os.path.dirname(path) or ".", prefix=".cape-")
    try:
        with open(handle, "wb") as file:
            file.write(content)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
