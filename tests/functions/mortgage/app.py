"""Decides on a mortgage by two rules, and says by which it refuses.

In goes a JSON object: what is earned and owed in a month, the price of the house and what is paid
at once, the years, and the interest in per cent a year:
    {"income": 5000, "debts": 300, "price": 250000, "deposit": 50000, "years": 25, "rate": 3.5}
Out comes JSON, with the payment for each month:
    {"granted": true, "payment": 1001.25, "reasons": []}
The loan may be 80 % of the price, and with it no more than 36 % of the income may be owed.
"""

import json
import math

MOST_OF_PRICE = 0.80
MOST_OF_INCOME = 0.36
LONGEST_INPUT = 10_000  # bytes
FIELDS = {  # the least and the most of each
    "income": (0, 1e9),
    "debts": (0, 1e9),
    "price": (1, 1e12),
    "deposit": (0, 1e12),
    "years": (1, 50),
    "rate": (0, 100),
}


def read(data: bytes) -> "dict[str, float]":
    if len(data) > LONGEST_INPUT:
        raise ValueError(f"the application has {len(data)} bytes: {LONGEST_INPUT} are enough")
    try:
        application = json.loads(data)
    except (ValueError, RecursionError):
        raise ValueError("the application is not JSON") from None
    if not isinstance(application, dict) or set(application) != set(FIELDS):
        raise ValueError("the application is not an object with the members " + ", ".join(FIELDS))
    for name, (least, most) in FIELDS.items():
        value = application[name]
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
            raise ValueError(f"{name} is not a number from {least:g} to {most:g}")
    return application


def payment(loan: float, rate: float, months: int) -> float:
    """What is paid each month, so that nothing is left after the last."""
    if rate == 0:
        return loan / months
    monthly = rate / 100 / 12
    return loan * monthly / -math.expm1(-months * math.log1p(monthly))


def cape_handler(data: bytes) -> str:
    a = read(data)
    loan = max(a["price"] - a["deposit"], 0)
    each = payment(loan, a["rate"], round(a["years"] * 12))
    reasons = []
    if loan > MOST_OF_PRICE * a["price"]:
        reasons.append(f"the loan is more than {MOST_OF_PRICE:.0%} of the price")
    if each + a["debts"] > MOST_OF_INCOME * a["income"]:
        reasons.append(f"more than {MOST_OF_INCOME:.0%} of the income would be owed")
    return json.dumps({"granted": not reasons, "payment": round(each, 2), "reasons": reasons})
