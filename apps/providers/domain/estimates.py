"""Token counts for providers that do not report them. Pure."""

_BYTES_PER_TOKEN = 4


def estimated_tokens(byte_count: int) -> int:
    """Return roughly how many tokens a text of this many UTF-8 bytes has; at least one if any."""
    return -(-byte_count // _BYTES_PER_TOKEN)


def cautious_tokens(text: str) -> int:
    """Return an estimate of the tokens of `text` that rather errs upwards.

    Without a model's own tokenizer: English averages four characters a token, so three are on the
    safe side; characters outside ASCII cost about a token for every two of their UTF-8 bytes.
    """
    if text.isascii():
        return len(text) // 3 + 1 if text else 0
    size = len(text.encode("utf-8", "replace"))
    plain = sum(character < "\x80" for character in text)
    return plain // 3 + (size - plain) // 2 + 1
