"""Says whether a whole number is prime.

In goes the number in decimal: b"97". Out comes "true" or "false".
Numbers of up to 24 digits are judged, and judged rightly: for these it is proved that the test of
Miller and Rabin with the bases below makes no mistake.
"""

BASES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41)
DIGITS = 24


def is_prime(number: int) -> bool:
    if number < 2:
        return False
    for base in BASES:
        if number % base == 0:
            return number == base
    odd, halvings = number - 1, 0
    while odd % 2 == 0:
        odd, halvings = odd // 2, halvings + 1
    return all(passes(number, base, odd, halvings) for base in BASES)


def passes(number: int, base: int, odd: int, halvings: int) -> bool:
    power = pow(base, odd, number)
    if power in (1, number - 1):
        return True
    for _ in range(halvings - 1):
        power = power * power % number
        if power == number - 1:
            return True
    return False


def cape_handler(data: bytes) -> str:
    text = data.strip()
    if not text.isdigit():
        raise ValueError("give a whole number in decimal, such as 97")
    if len(text) > DIGITS:
        raise ValueError(f"the number has {len(text)} digits: give one of {DIGITS} at most")
    return "true" if is_prime(int(text)) else "false"
