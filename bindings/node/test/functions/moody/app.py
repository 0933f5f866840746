"""Does what its input says: raises, exits, sleeps, or returns the input."""

import sys
import time


def cape_handler(data: bytes) -> bytes:
    if data == b"raise":
        raise ValueError("out of sorts")
    if data == b"exit":
        sys.exit(3)
    if data.startswith(b"sleep "):
        time.sleep(float(data[6:]))
    return data
