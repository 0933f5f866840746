"""Counts its calls, in memory and in a file, and says both: state lasts as long as a connection."""

from pathlib import Path

calls = 0


def cape_handler(data: bytes) -> str:
    global calls
    calls += 1
    tally = Path("tally")
    with tally.open("ab") as file:
        file.write(b"x")
    return f"{calls} {tally.stat().st_size}"
