"""Token counts for providers that do not report them. Pure."""

_BYTES_PER_TOKEN = 4


def estimated_tokens(byte_count: int) -> int:
    """Return roughly how many tokens a text of this many UTF-8 bytes has; at least one if any."""
    return -(-byte_count // _BYTES_PER_TOKEN)
