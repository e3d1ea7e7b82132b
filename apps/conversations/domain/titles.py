"""A conversation's first title, taken from its first message."""

TITLE_MAX = 60


def title_from(text: str) -> str:
    """Return the first line of `text`, cut at a word to at most `TITLE_MAX` characters."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    line = " ".join(line.split())
    if len(line) <= TITLE_MAX:
        return line
    cut = line[: TITLE_MAX - 1]
    head, _space, tail = cut.rpartition(" ")
    return (head if len(tail) < len(cut) // 2 and head else cut).rstrip(" ,.;:") + "…"
