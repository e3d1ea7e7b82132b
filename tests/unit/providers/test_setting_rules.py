"""The pure rules of settings: addresses, listings, presets, what an examination says."""

from ipaddress import IPv4Address

import pytest
from hypothesis import given, strategies as st

from apps.core.http import Reach, may_reach
from apps.providers.domain.addresses import (
    host_of,
    normal_address,
    origin_of,
    shape_problem,
    written_address,
)
from apps.providers.domain.examination import Ending, Step, StepReport, ending_of_status, overall
from apps.providers.domain.listings import NotAList, listed_models
from apps.providers.domain.presets import PRESETS, presets_for
from apps.providers.domain.settings import RESERVED_SLUGS, ProviderFields

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.integers(min_value=0, max_value=2**32 - 1))
def test_every_spelling_of_an_address_is_read_as_the_resolver_reads_it(number: int) -> None:
    address = IPv4Address(number)
    octets = [f"{octet:#o}".replace("0o", "0") for octet in address.packed]

    for spelling in (str(address), str(number), hex(number), ".".join(octets)):
        assert written_address(spelling) == address


@given(st.text(max_size=60))
def test_an_address_that_is_accepted_has_a_host_and_nothing_hidden(rest: str) -> None:
    url = f"https://{rest}"
    if shape_problem(url, private_allowed=False) is None:
        assert host_of(url)
        assert not set(url) & set("@\\?# \t\r\n\x00")
        assert url.isascii()


@given(st.ip_addresses(v=4))
def test_what_is_not_public_is_within_reach_of_operators_only_if_it_is_private(
    address: IPv4Address,
) -> None:
    if may_reach(address, Reach.PUBLIC):
        assert may_reach(address, Reach.PRIVATE_TOO)


def test_a_key_belongs_to_scheme_host_and_port() -> None:
    one = origin_of("https://api.example.com/v1")

    assert one == origin_of("HTTPS://API.example.com:443/other") == origin_of(one)
    assert one != origin_of("http://api.example.com/v1")
    assert one != origin_of("https://api.example.com:8443/v1")
    assert one != origin_of("https://api.example.com.evil.test/v1")
    assert normal_address(" https://api.example.com/v1// ") == "https://api.example.com/v1"


@pytest.mark.parametrize("preset", PRESETS.values(), ids=list(PRESETS))
def test_a_preset_can_be_set_up_as_it_is(preset: object) -> None:
    from apps.providers.domain.presets import Preset

    assert isinstance(preset, Preset)
    assert ProviderFields(slug=preset.slug, label=preset.label).slug not in RESERVED_SLUGS
    if preset.base_url:
        assert shape_problem(preset.base_url, private_allowed=preset.platform_only) is None
    assert preset.needs_key is (preset.base_url.startswith("https://"))


def test_workspaces_are_not_offered_what_only_operators_set_up() -> None:
    offered = {preset.slug for preset in presets_for(platform=False)}

    assert not {"ollama", "vllm", "llama-server", "lm-studio"} & offered
    assert {preset.slug for preset in presets_for(platform=True)} == set(PRESETS)


@given(_JSON)
def test_a_list_of_models_never_breaks_what_reads_it(document: object) -> None:
    try:
        found = listed_models(document)
    except NotAList:
        return
    names = [model.name for model in found]
    assert len(names) == len(set(names))
    assert all(name and len(name) <= 150 and " " not in name for name in names)


def test_a_list_with_no_models_is_a_list() -> None:
    assert listed_models({"object": "list", "data": []}) == ()
    assert listed_models([{"id": "a"}])[0].name == "a"


@given(st.integers(min_value=100, max_value=599))
def test_every_status_has_an_ending(status: int) -> None:
    assert (ending_of_status(status) is Ending.OK) is (status < 300)


def _report(step: Step, ending: Ending) -> StepReport:
    return StepReport(step=step, ending=ending)


def test_who_answers_a_question_works_also_without_a_list() -> None:
    asked = _report(Step.ASK, Ending.OK)
    no_list = _report(Step.LIST, Ending.PATH_UNKNOWN)

    assert overall((no_list, asked)) == asked
    assert overall((no_list,)).ending is Ending.PATH_UNKNOWN


def test_a_question_that_is_not_found_names_an_unknown_model_where_the_path_is_right() -> None:
    lost = _report(Step.ASK, Ending.PATH_UNKNOWN)

    assert overall((_report(Step.LIST, Ending.OK), lost)).ending is Ending.MODEL_UNKNOWN
    assert overall((_report(Step.LIST, Ending.PATH_UNKNOWN), lost)).ending is Ending.PATH_UNKNOWN
