"""The laws of the prompt: what is taken fits, keeps its order, and is explained."""

from collections.abc import Sequence

from hypothesis import given, strategies as st

from apps.conversations.domain.packing import (
    Assembly,
    Candidate,
    Reason,
    Source,
    Supply,
    alike,
    assemble,
    normalised,
)

_TEXTS = st.sampled_from(
    ["Ann likes tea", "ann likes  tea.", "Bob", "the ship sails at nine in the morning", "x", "y"]
) | st.text(max_size=12)
_SHARES = st.floats(0, 1).map(lambda share: round(share, 2))


@st.composite
def candidates(draw: st.DrawFn, prefix: str) -> list[Candidate]:
    made = draw(st.lists(st.tuples(_TEXTS, st.integers(0, 60)), max_size=12))
    return [
        Candidate(id=f"{prefix}{number}", text=text, tokens=tokens)
        for number, (text, tokens) in enumerate(made)
    ]


@st.composite
def supplies(draw: st.DrawFn) -> list[Supply]:
    made = []
    left = 1.0
    for source in draw(st.permutations(list(Source))):
        floor = round(min(draw(_SHARES), left), 2)
        left -= floor
        thread = source is Source.THREAD
        made.append(
            Supply(
                source=source,
                candidates=draw(candidates(source.value)),
                floor=floor,
                cap=max(floor, draw(_SHARES)),
                contiguous=thread,
                unique=not thread,
            )
        )
    return made


def used_by(assembly: Assembly, source: Source) -> int:
    return sum(candidate.tokens for candidate in assembly.taken(source))


@given(supplies(), st.integers(-10, 400))
def test_never_over_the_budget(made: list[Supply], budget: int) -> None:
    assembly = assemble(made, budget=budget)

    taken = sum(d.candidate.tokens for d in assembly.decisions if d.taken)
    assert taken == assembly.used <= max(budget, 0)


@given(supplies(), st.integers(0, 400))
def test_the_same_input_gives_the_same_output(made: list[Supply], budget: int) -> None:
    assert assemble(made, budget=budget) == assemble(made, budget=budget)


@given(supplies(), st.integers(0, 400))
def test_every_candidate_is_decided_once_in_its_order(made: list[Supply], budget: int) -> None:
    decisions = assemble(made, budget=budget).decisions

    assert [d.candidate for d in decisions] == [c for supply in made for c in supply.candidates]
    assert all((d.reason is Reason.FITS) == d.taken for d in decisions)


@given(supplies(), st.integers(0, 400))
def test_caps_are_honoured(made: list[Supply], budget: int) -> None:
    assembly = assemble(made, budget=budget)

    for supply in made:
        assert used_by(assembly, supply.source) <= int(supply.cap * budget)


@given(supplies(), st.integers(0, 400))
def test_nothing_is_said_twice_outside_the_thread(made: list[Supply], budget: int) -> None:
    assembly = assemble(made, budget=budget)
    said = [normalised(c.text) for s in Source if s is not Source.THREAD for c in assembly.taken(s)]
    thread = {normalised(c.text) for c in assembly.taken(Source.THREAD)}

    assert len(said) == len(set(said))
    assert not thread & set(said)
    assert not any(alike(a, b) for n, a in enumerate(said) for b in said[:n])


@given(supplies(), st.integers(0, 400))
def test_a_thread_has_no_holes(made: list[Supply], budget: int) -> None:
    assembly = assemble(made, budget=budget)
    thread = [d.taken for d in assembly.decisions if d.source is Source.THREAD]

    assert thread == sorted(thread, reverse=True)


def _leading(supply: Supply, tokens: int) -> list[Candidate]:
    """The best candidates of a source that fit into so many tokens."""
    leading: list[Candidate] = []
    for candidate in supply.candidates:
        tokens -= candidate.tokens
        if tokens < 0:
            break
        leading.append(candidate)
    return leading


@given(supplies(), st.integers(0, 400))
def test_floors_are_honoured(made: list[Supply], budget: int) -> None:
    """What a floor has room for is in the prompt, or something that says the same is."""
    assembly = assemble(made, budget=budget)
    said = {normalised(d.candidate.text) for d in assembly.decisions if d.taken}

    for supply in made:
        for candidate in _leading(supply, int(supply.floor * budget)):
            plain = normalised(candidate.text)
            assert plain in said or any(alike(plain, other) for other in said)


@given(candidates("pin"), supplies(), st.integers(0, 400))
def test_pins_are_never_lost_while_they_fit(
    pins: list[Candidate], made: list[Supply], budget: int
) -> None:
    others = [supply for supply in made if supply.source is not Source.PIN]
    share = 0.3
    pinned = Supply(source=Source.PIN, candidates=pins, floor=share, cap=share)
    squeezed = [
        Supply(
            source=s.source,
            candidates=s.candidates,
            floor=s.floor * (1 - share),
            cap=s.cap,
            contiguous=s.contiguous,
            unique=s.unique,
        )
        for s in others
    ]
    assembly = assemble([*squeezed, pinned], budget=budget)
    said = {normalised(d.candidate.text) for d in assembly.decisions if d.taken}

    if sum(pin.tokens for pin in pins) <= int(share * budget):
        for pin in pins:
            plain = normalised(pin.text)
            assert plain in said or any(alike(plain, other) for other in said)


def _only(source: Source, texts: Sequence[str], *, floor: float, cap: float = 1.0) -> Supply:
    made = [Candidate(id=f"{source}{n}", text=t, tokens=10) for n, t in enumerate(texts)]
    thread = source is Source.THREAD
    return Supply(
        source=source,
        candidates=made,
        floor=floor,
        cap=cap,
        contiguous=thread,
        unique=not thread,
    )


def test_a_more_important_source_gets_what_no_floor_keeps() -> None:
    thread = _only(Source.THREAD, [f"message {n}" for n in range(20)], floor=0.1)
    facts = _only(Source.MEMORY, [f"fact {n}" for n in range(20)], floor=0.3)

    assembly = assemble([thread, facts], budget=100)

    assert len(assembly.taken(Source.THREAD)) == 7
    assert len(assembly.taken(Source.MEMORY)) == 3


def test_a_fact_that_the_thread_says_is_left_out() -> None:
    thread = _only(
        Source.THREAD, ["hello", "My sister Ada lives in the old house by the sea"], floor=0
    )
    facts = _only(Source.MEMORY, ["my sister Ada lives in the old house by the sea!"], floor=0.5)

    decisions = assemble([thread, facts], budget=100).decisions

    assert [d.reason for d in decisions] == [Reason.FITS, Reason.FITS, Reason.DUPLICATE]


def test_facts_that_differ_in_one_word_are_both_kept() -> None:
    facts = _only(Source.MEMORY, ["Ada is 41 years old", "Ada is 42 years old"], floor=1)

    assert len(assemble([facts], budget=100).taken(Source.MEMORY)) == 2
