"""What is lent to the native library, and what becomes of what it gave when a call is cut short."""

from __future__ import annotations

from typing import Any

import pytest

from pycape import Cape, LocalEnclave
from test_verify import GOOD, verify


class Longer(bytes):
    """Bytes that claim to be more than they are."""

    def __len__(self) -> int:
        return 4096

    def __bytes__(self) -> bytes:
        return self


class LongerArray(bytearray):
    def __len__(self) -> int:
        return 4096

    def __bytes__(self) -> bytes:
        return Longer(memoryview(self))


def test_an_input_that_lies_about_its_length_is_sent_as_long_as_it_is(
    enclave: LocalEnclave,
) -> None:
    with Cape(enclave=enclave) as cape:
        cape.connect("local/echo")
        assert cape.invoke(Longer(b"four")) == b"four"
        assert cape.run("local/echo", Longer(b"four")) == b"four"


@pytest.mark.parametrize("kind", [Longer, LongerArray])
def test_a_document_that_lies_about_its_length_is_judged_as_long_as_it_is(kind: Any) -> None:
    assert verify(kind(GOOD))["verdict"] == "accepted"
