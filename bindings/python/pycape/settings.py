"""What a client was told about its enclave, by arguments, a local enclave or the environment."""

from __future__ import annotations

import math
import os
from typing import Any, NamedTuple

from pycape import checks, config, errors, pem, policy as policies
from pycape.enclave import LocalEnclave
from pycape.errors import ArgumentError, ArgumentTypeError
from pycape.log import logger
from pycape.token import Secret

#: The hosts of what earlier versions took where a program named none. That service has ended.
ENDED = frozenset({"enclave.capeprivacy.com", "app.capeprivacy.com", "api.capeprivacy.com"})
LONGEST = 4_294_967  # seconds: milliseconds are a uint32_t in cape.h


class Settings(NamedTuple):
    """An argument goes before the local enclave, that before the environment."""

    url: str | None
    enclave: LocalEnclave | None
    attestation_root: str | None
    tls_ca: str | None
    policy: str | dict[str, Any] | None
    timeout_ms: int | None
    insecure_ws: bool
    proxy: str | None
    reconnect: bool
    signed_results: bool

    @property
    def exposed(self) -> str | None:
        """Why what is offered to the service could be read on the way; None where it could not."""
        if _parts(self.url)[0] in ("wss", "https"):
            return None
        if not self.is_local:
            return "without TLS it could be read on the way; give a wss:// url"
        if self.proxy is not None:
            return "without TLS the proxy could read it; give a wss:// url"
        if self.insecure_ws and _parts(self.url)[1] == "localhost":  # which may be any machine
            return "with insecure_ws it could leave this machine without TLS; give a wss:// url"
        return None

    @property
    def is_local(self) -> bool:
        """The service is on this machine, where no login is needed."""
        from ipaddress import ip_address

        if self.enclave is not None:
            return True
        host = _parts(self.url)[1]
        try:
            return host == "localhost" or ip_address(host).is_loopback
        except ValueError:
            return False

    @property
    def shown(self) -> str:
        """Whom the client calls: the URL without what may be secret in it, the user and the password,
        the query and the fragment; or the local enclave."""
        import re

        if self.url is None:
            return "of no enclave" if self.enclave is None else repr(self.enclave)
        scheme = re.match(r"\s*[A-Za-z][A-Za-z0-9+.-]*://", self.url)
        begin = "" if scheme is None else scheme[0].strip()
        rest = self.url.strip()[len(begin) :]
        place, query = re.fullmatch(r"([^?#]*)(.*)", rest, re.DOTALL).groups()  # type: ignore[union-attr]
        if "@" in query:  # a password may have a "?" in it, and a query an "@"
            return f"{begin}..."
        user, _, host = place.rpartition("@")  # a password may have a "/" in it
        return errors.shown(f"{begin}...@{host}" if user else f"{begin}{host}")

    def options(self) -> dict[str, Any]:
        """The options of cape_connect that do not depend on the function. Starts the local
        enclave if need be.

        :raises ValueError: there is no URL.
        """
        url, root, tls_ca, policy = self.url, self.attestation_root, self.tls_ca, self.policy
        if self.enclave is not None:
            url = self.enclave.url if url is None else url
            root = self.enclave.attestation_root if root is None else root
            tls_ca = self.enclave.tls_ca if tls_ca is None else tls_ca
            if policy is None:
                policy = {"pcrs": {index: [pcr] for index, pcr in self.enclave.pcrs.items()}}
        if url is None:
            raise ArgumentError(
                "no enclave is named, and the public Cape service has ended: "
                "give url or enclave, or set CAPE_ENCLAVE_HOST",
                reason="argument.url",
            )
        options = {
            "url": url,
            "attestation_roots": root,
            "tls_ca": tls_ca,
            "policy": policy,
            "timeout_ms": self.timeout_ms,
            "insecure_ws": self.insecure_ws or None,
            "proxy": self.proxy and Secret(self.proxy),
            "reconnect": self.reconnect or None,
            "signed_results": self.signed_results or None,
        }
        return {name: value for name, value in options.items() if value is not None}


def gather(
    url: str | None,
    enclave: LocalEnclave | None,
    attestation_root: pem.PEM | None,
    tls_ca: pem.PEM | None,
    policy: policies.PolicyLike | None,
    timeout: float | None,
    insecure_ws: bool,
    proxy: str | None,
    reconnect: bool,
    signed_results: bool,
) -> Settings:
    """Checks the arguments of a client and adds what the environment has. Reads files; loads no
    library.

    :raises ValueError, TypeError: one of them is not usable.
    """
    checks.text(url, "url", "argument.url")
    checks.text(proxy, "proxy", "argument.proxy")
    if enclave is not None and not isinstance(enclave, LocalEnclave):
        raise ArgumentTypeError(
            f"enclave must be a LocalEnclave, not {type(enclave).__name__}", reason="argument.type"
        )
    url = _unless_ended(url)
    unchecked = config.tls_is_to_be_unchecked()
    if unchecked is not None:
        logger().warning("%s has no effect: TLS is always checked, and tls_ca names an authority", unchecked)
    if enclave is None:
        if url is None:
            url = _unless_ended(os.environ.get("CAPE_ENCLAVE_HOST") or None)
        if attestation_root is None:
            attestation_root = os.environ.get("CAPE_ATTESTATION_ROOT") or None
            if attestation_root is not None:
                logger().warning("CAPE_ATTESTATION_ROOT decides which enclaves are genuine")
        if tls_ca is None:
            tls_ca = os.environ.get("CAPE_TLS_CA") or None
    return Settings(
        url=url,
        enclave=enclave,
        attestation_root=pem.read(attestation_root, "attestation_root", "argument.roots"),
        tls_ca=pem.read(tls_ca, "tls_ca", "argument.tls_ca"),
        policy=policies.read(policy),
        timeout_ms=_milliseconds(timeout),
        insecure_ws=checks.flag(insecure_ws, "insecure_ws"),
        proxy=proxy,
        reconnect=checks.flag(reconnect, "reconnect"),
        signed_results=checks.flag(signed_results, "signed_results"),
    )


def _unless_ended(url: str | None) -> str | None:
    if url is None or _parts(url)[1].removesuffix(".") in ENDED:
        return None
    return url


def _parts(url: str | None) -> tuple[str, str]:
    """The scheme and the host of a URL in small letters; "" for what it lacks."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit((url or "").strip())
        return parts.scheme, parts.hostname or ""
    except ValueError:
        return "", ""


def _milliseconds(timeout: float | None) -> int | None:
    if timeout is None:
        return None
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)):
        raise ArgumentTypeError(
            f"timeout must be a number of seconds, not {type(timeout).__name__}",
            reason="argument.options",
        )
    if not 0 < timeout <= LONGEST:
        raise ArgumentError(
            f"timeout must be more than 0 seconds, and at most {LONGEST}", reason="argument.options"
        )
    return math.ceil(timeout * 1000)
