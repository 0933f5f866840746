"""A look at the headers of a MessagePack value, without a copy of it."""

from __future__ import annotations

_BRIEF = 64

# For the first bytes c0 to df: how many bytes follow the bytes of the header, beside those that the
# header counts; and how many bytes the header has.
_ITEMS, _PAIRS, _SCALAR, _UNUSED = -1, -2, -3, -4
_HEADERS = (
    *((_SCALAR, 0), (_UNUSED, 0), (_SCALAR, 0), (_SCALAR, 0)),
    *((0, 1), (0, 2), (0, 4)),  # bytes
    *((1, 1), (1, 2), (1, 4)),  # extensions
    *((_SCALAR, 4), (_SCALAR, 8)),
    *((_SCALAR, 1), (_SCALAR, 2), (_SCALAR, 4), (_SCALAR, 8)),
    *((_SCALAR, 1), (_SCALAR, 2), (_SCALAR, 4), (_SCALAR, 8)),
    *((2, 0), (3, 0), (5, 0), (9, 0), (17, 0)),  # extensions of so many bytes and a code
    *((0, 1), (0, 2), (0, 4)),  # text
    *((_ITEMS, 2), (_ITEMS, 4), (_PAIRS, 2), (_PAIRS, 4)),
)


def is_brief(data: bytes) -> bool:
    """Whether the value and what it is made of is told by a few headers, all of them true. Long
    text and bytes are, and need not be copied to be walked."""
    at, owed = 0, 1
    for _ in range(_BRIEF):
        if owed == 0:
            return at == len(data)
        if at >= len(data):
            return False
        code = data[at]
        owed -= 1
        at += 1
        if 0xC0 <= code < 0xE0:
            kind, width = _HEADERS[code - 0xC0]
            number = int.from_bytes(data[at : at + width], "big")
            at += width
            if kind == _ITEMS:
                owed += number
            elif kind == _PAIRS:
                owed += 2 * number
            elif kind >= 0:
                at += number + kind
            elif kind == _UNUSED:
                return False
        elif 0x80 <= code < 0x90:
            owed += 2 * (code & 15)
        elif 0x90 <= code < 0xA0:
            owed += code & 15
        elif 0xA0 <= code < 0xC0:
            at += code & 31
    return False
