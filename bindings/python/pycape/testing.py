"""A local enclave that misbehaves when it is told to, for the tests of an application.

With pytest there is nothing to set up: the fixture ``cape_enclave`` comes with this package, and is
a :class:`FaultyEnclave`::

    @pytest.mark.cape_functions("functions/echo")
    def test_an_expired_certificate_is_reported(cape_enclave):
        cape_enclave.fail("expired")
        assert my_program(cape_enclave.url, cape_enclave.attestation_root) == "not trusted"

Each set of folders has one enclave for the whole session, and after each test it behaves well
again. Folders are relative to the file of the test; the setting ``cape_functions`` of pytest names
some for all tests, relative to the file that it is in.
"""

from __future__ import annotations

from typing import Any

from pycape.cape import Cape
from pycape.enclave import LocalEnclave
from pycape.errors import ArgumentTypeError
from pycape.faults import FAULTS as FAULTS

#: Plain names of faults, beside those of FAULTS.
PLAIN_NAMES = {
    "expired": "expired_leaf",
    "wrong_pcrs": "wrong_pcr",
    "clock_three_days_off": "clock_off",
    "dropped_connection": "invoke_dropped",
    "dropped": "invoke_dropped",
    "slow": "slow_reply",
}


class FaultyEnclave(LocalEnclave):
    """A :class:`pycape.LocalEnclave` for tests, with the same parameters."""

    def fail(self, *names: str) -> None:
        """Misbehaves in these ways from now on, and in no other.

        :param names: ``"expired"``, ``"replayed nonce"``, ``"wrong PCR"``, ``"clock three days off"``,
            ``"dropped connection"``, ``"truncated frame"``, ``"slow reply"``, or a name of ``FAULTS``,
            such as ``"no_reply"``. Capitals, blanks, "-" and "_" make no difference.
        :raises ValueError: a name is unknown; nothing has changed.
        """
        self.set_faults(*map(_known, names))

    def recover(self) -> None:
        """Behaves well again."""
        self.set_faults()

    def client(self, **settings: Any) -> Cape:
        """A client of this enclave, which pins its measurements; settings are those of
        :class:`pycape.Cape`."""
        return Cape(enclave=self, **settings)


def _known(name: str) -> str:
    if not isinstance(name, str):
        raise ArgumentTypeError(
            f"a fault has a name, and {type(name).__name__} is none", reason="argument.type"
        )
    plain = "_".join(name.lower().replace("-", " ").replace("_", " ").split())
    return PLAIN_NAMES.get(plain, plain)
