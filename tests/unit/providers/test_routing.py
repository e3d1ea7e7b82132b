"""Laws of routing: nobody is forgotten, nothing sensitive leaves, equal questions go alike."""

from decimal import Decimal
from uuid import UUID

from hypothesis import given, strategies as st

from apps.providers.contracts import Cause, Level, ModelInfo
from apps.providers.domain.routing import (
    Facts,
    Health,
    Measured,
    Question,
    RoutePlan,
    plan_route,
    unmet_condition,
)
from apps.providers.domain.routing_rules import (
    Conditions,
    Fallbacks,
    Need,
    Order,
    Policy,
    Routes,
    Target,
)

ANN = UUID(int=1)


def model(name: str, **more: object) -> ModelInfo:
    known: dict[str, object] = {
        "context_tokens": 8_000,
        "in_process": False,
        "supports_tools": True,
        **more,
    }
    return ModelInfo(id=name, label=name, provider=name.partition("/")[0], **known)  # type: ignore[arg-type]  # by keyword


def facts(*models: ModelInfo, **more: object) -> list[Facts]:
    return [Facts(model=each, **more) for each in models]  # type: ignore[arg-type]  # by keyword


def order(plan: RoutePlan) -> list[str]:
    return [each.model.id for each in plan.candidates]


CLOUD, OTHER = model("cloud/big"), model("other/small")
OWN = model("own/server", is_trusted=True)
LOCAL = model("local/tiny", in_process=True, supports_tools=False)
ALL = facts(CLOUD, OTHER, OWN, LOCAL)
SEEN = Question(flow="chat.answer")

_models = st.lists(
    st.builds(
        model,
        st.sampled_from(["a/1", "a/2", "b/1", "b/2", "c/1", "local/x", "local/y"]),
        in_process=st.booleans(),
        is_trusted=st.booleans(),
        supports_tools=st.booleans(),
        supports_vision=st.booleans(),
        scripted=st.booleans(),
        context_tokens=st.integers(100, 10_000),
    ),
    unique_by=lambda each: each.id,
    max_size=7,
)
_facts = _models.flatmap(
    lambda models: st.tuples(
        *(
            st.builds(
                Facts,
                model=st.just(each),
                health=st.sampled_from(Health),
                measured=st.builds(
                    Measured, first_p50_ms=st.none() | st.floats(1, 9_999), calls=st.just(9)
                ),
                cost=st.none() | st.decimals(0, 1, places=4),
            )
            for each in models
        )
    )
)
_patterns = st.sampled_from(["a/*", "b/1", "local/*", "*", "nobody/none"])
_policies = st.lists(
    st.builds(
        Policy,
        name=st.sampled_from(["first", "second"]),
        conditions=st.builds(
            Conditions,
            sensitive=st.none() | st.booleans(),
            min_tokens=st.none() | st.integers(0, 500),
            flows=st.sampled_from([(), ("chat.*",), ("api.answer",)]),
        ),
        routes=st.builds(
            Routes,
            targets=st.lists(
                st.builds(Target, model=_patterns, weight=st.floats(0, 100)), max_size=3
            ).map(tuple),
            order=st.sampled_from(Order),
            local_only=st.booleans(),
            max_cost=st.none() | st.decimals(0, 1, places=4),
        ),
        fallbacks=st.builds(Fallbacks, failure=st.lists(_patterns, max_size=2).map(tuple)),
    ),
    max_size=2,
)
_questions = st.builds(
    Question,
    flow=st.sampled_from(["chat.answer", "api.answer", "chat.title"]),
    asked=st.sampled_from(["", "a/1", "local/x"]),
    sensitive=st.booleans(),
    tokens=st.integers(0, 9_000),
    answer_tokens=st.integers(0, 2_000),
    needs=st.frozensets(st.sampled_from([Need.TOOLS, Need.VISION])),
    subject=st.text(max_size=5),
    failed=st.frozensets(st.sampled_from(["a/1", "b/1"])),
)


@given(_questions, _facts, _policies)
def test_every_model_is_a_candidate_or_excluded_with_a_reason(
    question: Question, known: tuple[Facts, ...], policies: list[Policy]
) -> None:
    plan = plan_route(question, known, policies)
    chosen, out = order(plan), [each.model.id for each in plan.excluded]
    assert sorted(chosen + out) == sorted(each.model.id for each in known)
    assert all(each.reason for each in plan.excluded)
    assert all(all(each.reasons) for each in plan.candidates)


@given(_questions, _facts, _policies)
def test_sensitive_content_never_goes_to_an_untrusted_model(
    question: Question, known: tuple[Facts, ...], policies: list[Policy]
) -> None:
    plan = plan_route(question, known, policies)
    policy = next((p for p in policies if not unmet_condition(p.conditions, question)), None)
    if question.sensitive or (policy and policy.routes.local_only):
        assert all(c.model.in_process or c.model.is_trusted for c in plan.candidates)


@given(_questions, _facts, _policies)
def test_candidates_can_do_what_is_asked_and_have_not_failed(
    question: Question, known: tuple[Facts, ...], policies: list[Policy]
) -> None:
    for each in plan_route(question, known, policies).candidates:
        assert Need.TOOLS not in question.needs or each.model.supports_tools
        assert Need.VISION not in question.needs or each.model.supports_vision
        assert question.tokens + question.answer_tokens <= each.model.context_tokens
        assert each.model.id not in question.failed


@given(_questions, _facts, _policies)
def test_the_same_question_gets_the_same_plan_and_the_asked_model_comes_first(
    question: Question, known: tuple[Facts, ...], policies: list[Policy]
) -> None:
    plan = plan_route(question, known, policies)
    assert plan == plan_route(question, known, policies)
    if question.asked in order(plan):
        assert order(plan)[0] == question.asked


@given(_questions, _facts, _policies)
def test_a_model_that_is_down_stands_behind_every_one_that_is_not(
    question: Question, known: tuple[Facts, ...], policies: list[Policy]
) -> None:
    health = {each.model.id: each.health for each in known}
    plan = plan_route(question, known, policies)
    names = [name for name in order(plan) if name != question.asked]
    down = [health[name] is Health.DOWN for name in names]
    assert down == sorted(down)


def test_without_policies_remote_models_come_in_their_order_and_local_ones_last() -> None:
    assert order(plan_route(SEEN, ALL)) == ["cloud/big", "other/small", "own/server", "local/tiny"]


def test_a_preferred_model_comes_first() -> None:
    question = Question(flow="chat.answer", preferred=("", "other/small"))
    assert order(plan_route(question, ALL))[0] == "other/small"


def test_the_first_policy_that_fits_decides_and_the_others_say_why_not() -> None:
    night = Policy(name="night", conditions=Conditions(hours=(22, 6)))
    day = Policy(name="day", routes=Routes(targets=(Target(model="other/*"),)))
    plan = plan_route(SEEN, ALL, [night, day])
    assert plan.policy == "day"
    assert plan.skipped == (("night", "it is 12 o'clock (UTC)"),)
    assert order(plan)[0] == "other/small"
    late = Question(flow="chat.answer", hour=23)
    assert plan_route(late, ALL, [night, day]).policy == "night"


def test_weights_share_subjects_out_and_keep_each_with_its_model() -> None:
    policy = Policy(
        name="ab",
        routes=Routes(
            order=Order.WEIGHTED,
            targets=(Target(model="cloud/big", weight=9), Target(model="other/small", weight=1)),
        ),
    )

    def first(subject: str) -> str:
        return order(plan_route(Question(flow="f", subject=subject), ALL, [policy]))[0]

    drawn = [first(str(number)) for number in range(2_000)]
    assert drawn == [first(str(number)) for number in range(2_000)]
    assert 0.87 < drawn.count("cloud/big") / 2_000 < 0.93
    assert set(drawn) == {"cloud/big", "other/small"}


def test_cheapest_and_fastest_put_the_unknown_last() -> None:
    known = [
        Facts(model=CLOUD, cost=None, measured=Measured(first_p50_ms=None)),
        Facts(model=OTHER, cost=Decimal("0.02"), measured=Measured(first_p50_ms=90)),
        Facts(model=OWN, cost=Decimal("0.01"), measured=Measured(first_p50_ms=200)),
    ]
    cheapest = Policy(name="c", routes=Routes(targets=(Target(model="*"),), order=Order.CHEAPEST))
    fastest = Policy(name="f", routes=Routes(targets=(Target(model="*"),), order=Order.FASTEST))
    assert order(plan_route(SEEN, known, [cheapest])) == ["own/server", "other/small", "cloud/big"]
    assert order(plan_route(SEEN, known, [fastest])) == ["other/small", "own/server", "cloud/big"]


def test_a_ceiling_excludes_what_is_dearer_and_what_nobody_knows_the_price_of() -> None:
    known = [
        Facts(model=CLOUD, cost=Decimal("0.5")),
        Facts(model=OTHER, cost=None),
        Facts(model=OWN, cost=Decimal("0.01")),
        Facts(model=LOCAL, cost=Decimal(0)),
    ]
    policy = Policy(name="thrift", routes=Routes(max_cost=Decimal("0.1")))
    assert order(plan_route(SEEN, known, [policy])) == ["own/server", "local/tiny"]


def test_each_cause_has_its_own_fallbacks() -> None:
    policy = Policy(
        name="p",
        routes=Routes(targets=(Target(model="cloud/big"),)),
        fallbacks=Fallbacks(failure=("own/*",), context=("other/*",), refusal=("local/*",)),
    )
    expected = {
        Cause.FAILURE: "own/server",
        Cause.CONTEXT: "other/small",
        Cause.REFUSAL: "local/tiny",
    }
    for cause, name in expected.items():
        question = Question(flow="f", failed=frozenset({"cloud/big"}), cause=cause)
        first = plan_route(question, ALL, [policy]).first
        assert first is not None
        assert (first.model.id, first.level) == (name, Level.FALLBACK)


def test_a_model_slower_than_the_target_comes_later_in_its_level() -> None:
    known = [
        Facts(model=CLOUD, measured=Measured(first_p95_ms=3_000)),
        Facts(model=OTHER, measured=Measured(first_p95_ms=300)),
    ]
    policy = Policy(name="quick", routes=Routes(max_first_ms=1_000))
    plan = plan_route(SEEN, known, [policy])
    assert order(plan) == ["other/small", "cloud/big"]
    assert "slower than the policy's target" in plan.candidates[1].reasons


def test_a_policy_may_name_its_people() -> None:
    policy = Policy(name="ann", conditions=Conditions(users=(ANN,)))
    assert plan_route(SEEN, ALL, [policy]).policy == ""
    assert plan_route(Question(flow="f", user_id=ANN), ALL, [policy]).policy == "ann"


def test_a_scripted_model_only_answers_where_there_is_nothing_else_and_never_instead() -> None:
    echo = model("echo/plain", scripted=True)
    assert order(plan_route(SEEN, facts(echo, CLOUD))) == ["cloud/big", "echo/plain"]
    failed = Question(flow="f", failed=frozenset({"cloud/big"}))
    assert order(plan_route(failed, facts(echo, CLOUD))) == []
