"""Describes numbers, with numpy.

It is made with serdio. In go a list of numbers and, if you like, which percentiles and how many
bins of a histogram: cape run USER/statistics --args '[[1, 2, 3, 4, 10]]'. Out comes a dict:
    {"count": 5, "mean": 4.0, "median": 3.0, "deviation": 3.16..., "least": 1.0, "most": 10.0,
     "percentiles": {"25": 2.0, "50": 3.0, "75": 4.0}, "histogram": [2, 2, 0, 0, 1]}
The deviation is that of the whole population. The interpreter has to have numpy and serdio.
"""

import numpy
import serdio

MOST_NUMBERS = 1_000_000
MOST_BINS = 1000


def checked(what: str, values: object, most: int) -> "numpy.ndarray":
    if not isinstance(values, (list, tuple)) or not 0 < len(values) <= most:
        raise ValueError(f"{what} are not a list of 1 to {most} numbers")
    if any(type(value) not in (int, float) for value in values):  # a bool is an int to isinstance
        raise TypeError(f"{what} hold something that is not a number")
    array = numpy.asarray(values, dtype=float)
    if not numpy.isfinite(array).all():
        raise ValueError(f"{what} hold something that is not finite")
    return array


@serdio.lift_io
def statistics(numbers, percentiles=(25, 50, 75), bins=5):
    array = checked("the numbers", numbers, MOST_NUMBERS)
    wanted = checked("the percentiles", percentiles, 100)
    if wanted.min() < 0 or wanted.max() > 100:
        raise ValueError("the percentiles are not from 0 to 100")
    if type(bins) is not int or not 1 <= bins <= MOST_BINS:
        raise ValueError(f"bins is not a whole number from 1 to {MOST_BINS}")
    return {
        "count": len(array),
        "mean": float(array.mean()),
        "median": float(numpy.median(array)),
        "deviation": float(array.std()),
        "least": float(array.min()),
        "most": float(array.max()),
        "percentiles": {f"{p:g}": float(v) for p, v in zip(wanted, numpy.percentile(array, wanted))},
        "histogram": numpy.histogram(array, bins=bins)[0].tolist(),
    }


cape_handler = statistics.as_cape_handler()
