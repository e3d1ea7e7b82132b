"""What a local model may reuse, and never across partitions."""

from hypothesis import given, strategies as st

from apps.providers.domain.slots import SlotTable, common_prefix

requests = st.lists(
    st.tuples(st.sampled_from(["a:1", "a:2", "b:1"]), st.lists(st.integers(0, 3), min_size=1)),
    max_size=30,
)


def test_a_second_turn_reuses_its_own_prefix() -> None:
    table = SlotTable(2)
    first = table.claim(partition="a:1", prompt=[1, 2, 3])
    assert first is not None
    first.slot.tokens.extend([1, 2, 3, 9])
    table.release(first.slot)
    second = table.claim(partition="a:1", prompt=[1, 2, 3, 9, 4])
    assert second is not None
    assert (second.slot, second.reused) == (first.slot, 4)


def test_the_last_token_is_always_read_anew() -> None:
    table = SlotTable(1)
    claim = table.claim(partition="a:1", prompt=[1, 2])
    assert claim is not None
    claim.slot.tokens.extend([1, 2])
    table.release(claim.slot)
    again = table.claim(partition="a:1", prompt=[1, 2])
    assert again is not None
    assert again.reused == 1


def test_a_full_table_gives_nothing() -> None:
    table = SlotTable(1)
    assert table.claim(partition="a:1", prompt=[1]) is not None
    assert table.claim(partition="a:1", prompt=[1]) is None


@given(requests)
def test_nothing_is_reused_across_partitions(turns: list[tuple[str, list[int]]]) -> None:
    table = SlotTable(2)
    written: dict[int, str] = {}
    for partition, prompt in turns:
        claim = table.claim(partition=partition, prompt=prompt)
        assert claim is not None
        if claim.reused:
            assert written[claim.slot.index] == partition
            assert claim.slot.tokens == prompt[: claim.reused]
        assert claim.reused < len(prompt)
        assert len(claim.slot.tokens) == claim.reused
        claim.slot.tokens.extend(prompt[claim.reused :])
        written[claim.slot.index] = partition
        table.release(claim.slot)


@given(st.lists(st.integers()), st.lists(st.integers()))
def test_common_prefix_is_common(first: list[int], second: list[int]) -> None:
    length = common_prefix(first, second)
    assert first[:length] == second[:length]
