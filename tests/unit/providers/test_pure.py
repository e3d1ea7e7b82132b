"""Backoff, server-sent events, GGUF headers and profiles."""

import io
import struct
from datetime import UTC, datetime

import pytest
from hypothesis import given, strategies as st

from apps.providers import catalogue
from apps.providers.domain.backoff import CAP_S, pause_s, retry_after_s
from apps.providers.domain.gguf import GgufError, read_header
from apps.providers.domain.profiles import DEFAULT, profile_of
from apps.providers.domain.sse import SseSplitter

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "value,expected",
    [
        ("2", 2.0),
        ("-3", 0.0),
        ("Thu, 01 Jan 2026 00:00:07 GMT", 7.0),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after(value: str | None, expected: float | None) -> None:
    assert retry_after_s(value, now=NOW) == expected


@given(st.integers(1, 50), st.floats(0, 1))
def test_pauses_are_bounded(attempt: int, chance: float) -> None:
    pause = pause_s(attempt, asked_s=None, chance=chance)
    assert pause is not None
    assert 0 <= pause <= CAP_S


def test_a_long_retry_after_means_go_elsewhere() -> None:
    assert pause_s(1, asked_s=10.0, chance=0) == 10.0
    assert pause_s(1, asked_s=10.5, chance=0) is None


@given(st.lists(st.integers(1, 40)))
def test_events_survive_any_cut_of_the_bytes(cuts: list[int]) -> None:
    stream = b': hello\r\ndata: {"a": 1}\r\n\r\ndata: two\n\nevent: x\ndata: [DONE]\n\n'
    splitter, found = SseSplitter(), []
    for cut in [*cuts, len(stream)]:
        found += splitter.feed(stream[:cut])
        stream = stream[cut:]
    assert found == [b'{"a": 1}', b"two", b"[DONE]"]


def test_the_built_in_models_header() -> None:
    path = catalogue.built_in_file()
    assert path is not None
    with path.open("rb") as file:
        header = read_header(file)
    assert (header.architecture, header.context_tokens) == ("llama", 8192)


@given(st.binary(max_size=200))
def test_garbage_is_not_a_header(data: bytes) -> None:
    whole = b"GGUF" + struct.pack("<IQQ", 3, 0, 5) + data
    for raw in (data, whole):
        with pytest.raises(GgufError):
            read_header(io.BytesIO(raw))


def test_the_longest_prefix_names_the_profile() -> None:
    assert profile_of("gpt-4o-mini").context_tokens == 128_000
    assert profile_of("openrouter/openai/o3-mini").reasoning
    assert profile_of("unheard-of") == DEFAULT
