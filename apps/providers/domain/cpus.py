"""Reads a list of processors such as `0-3,6`. Pure."""


def cpu_numbers(text: str) -> frozenset[int]:
    """Return the numbers in `text`; none for an empty one.

    Raises:
        ValueError: It is no such list.
    """
    numbers: set[int] = set()
    for part in filter(None, (each.strip() for each in text.split(","))):
        first, dash, last = part.partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise ValueError(part)
        start, end = int(first), int(last) if dash else int(first)
        if end < start or end > 4095:
            raise ValueError(part)
        numbers.update(range(start, end + 1))
    return frozenset(numbers)
