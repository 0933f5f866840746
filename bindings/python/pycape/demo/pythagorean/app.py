import math

from serdio import lift_io


@lift_io
def pythagorean(a: float, b: float) -> float:
    return math.hypot(a, b)


cape_handler = pythagorean.as_cape_handler()
