"""Stop texts: the law, however the text is cut into pieces."""

from hypothesis import given, strategies as st

from apps.providers.domain.stops import StopText

_TEXT = st.text(alphabet="ab.", max_size=30)
_STOPS = st.lists(st.text(alphabet="ab.", min_size=1, max_size=4), min_size=1, max_size=3)


def cut(text: str, stops: list[str]) -> str:
    places = [place for stop in stops if (place := text.find(stop)) >= 0]
    return text[: min(places)] if places else text


@given(pieces=st.lists(_TEXT, max_size=8), stops=_STOPS)
def test_what_is_shown_ends_before_the_first_stop_however_it_arrives(
    pieces: list[str], stops: list[str]
) -> None:
    gate = StopText(stops)
    shown = ""
    for piece in pieces:
        shown += gate.feed(piece)
        if gate.stopped:
            break
    else:
        shown += gate.rest()
    seen = "".join(pieces)
    # A stop that is complete earlier in time wins over one that begins earlier in the text.
    assert shown == cut(seen, stops) or (gate.stopped and cut(shown, stops) == shown)
    assert seen.startswith(shown)


def test_ordinary_text_is_not_held_back() -> None:
    gate = StopText(["END"])
    assert gate.feed("hello E") == "hello "
    assert gate.feed("at") == "Eat"
