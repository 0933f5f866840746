"""Returns the length of the hypotenuse."""

import math

import serdio


@serdio.lift_io
def pythagorean(a: float, b: float) -> float:
    return math.hypot(a, b)


cape_handler = pythagorean.as_cape_handler()
