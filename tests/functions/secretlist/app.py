"""Looks a word up in a list that nobody is shown: the file words.txt beside this one.

In goes a word: b"amber". Out comes JSON that says whether it is in the list and, if it is not, how
many letters would have to be changed, added or left out for the nearest that is. Beyond three it
says no more than that:
    {"listed": true}    {"listed": false, "letters": 2}    {"listed": false, "letters": null}
"""

import json
from pathlib import Path

WORDS = frozenset(Path("words.txt").read_text(encoding="utf-8").split())
LONGEST = 64  # letters of a word that is looked up
NEAR = 3


def distance(one: str, other: str) -> int:
    """How many letters of one have to be changed, added or left out to make the other."""
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        before, row[0] = row[0], i
        for j, wanted in enumerate(other, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (letter != wanted))
    return row[-1]


def cape_handler(data: bytes) -> str:
    try:
        word = data.decode("utf-8").strip().lower()
    except UnicodeDecodeError:
        raise ValueError("the word is not text in UTF-8") from None
    if not word.isalpha() or len(word) > LONGEST:
        raise ValueError(f"give one word of 1 to {LONGEST} letters")
    if word in WORDS:
        return json.dumps({"listed": True})
    least = min((distance(word, other) for other in WORDS), default=NEAR + 1)
    return json.dumps({"listed": False, "letters": least if least <= NEAR else None})
