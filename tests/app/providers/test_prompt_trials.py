"""Evaluations and experiments: through the API, with a worker, in two workspaces."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from django.test import Client

from apps.conversations import orchestrator, titles
from apps.core import scope
from apps.core.ids import new_id
from apps.core.scope import Actor, TenantRef
from apps.jobs import services as jobs
from apps.jobs.models import OutboxEntry
from apps.providers import registry, trials
from apps.providers.models.prompts import EvaluationRun, PromptExperiment, PromptOutcome
from apps.providers.permissions import EDIT_PROMPTS
from apps.providers.services import evaluations, experiments, prompts
from apps.providers.services.rendering import render_prompt
from tests.app.providers.test_prompts import GIVEN, TITLE, activate, get, post, told, write
from tests.factories import send
from tests.fixtures.database import World
from tests.fixtures.people import People
from tests.fixtures.scribe import MODEL, Scribe

ActorIn = Callable[[UUID, TenantRef], Actor]
BrowserOf = Callable[[UUID, TenantRef | None], Client]

CASE: dict[str, Any] = {
    "name": "heron",
    "variables": GIVEN,
    "assertions": [{"kind": "contains", "value": "Herons"}, {"kind": "max_tokens", "value": 3}],
}


@pytest.fixture
def ann(committed: World, people: People, browser_of: BrowserOf) -> Client:
    return browser_of(people.ann, committed.acme)


@pytest.fixture
def gus(committed: World, people: People, browser_of: BrowserOf) -> Client:
    return browser_of(people.gus, committed.globex)


def saved(client: Client, *cases: dict[str, Any], name: str = "birds") -> str:
    made = post(
        client, f"prompts/{TITLE}/evaluations", {"name": name, "cases": list(cases)}, status=201
    )
    set_id: str = made["id"]
    return set_id


def started(client: Client, set_id: str, *, version: int = 0, model: str = MODEL) -> str:
    asked = {"version": version, "model": model}
    run = post(client, f"prompt-evaluations/{set_id}/runs", asked, status=202)
    assert run["state"] == "queued"
    run_id: str = run["id"]
    return run_id


def tried(client: Client, tenant: TenantRef, run_id: str) -> Any:
    with scope.tenant_scope(tenant), scope.actor_scope(scope.SYSTEM), scope.correlation_scope():
        trials.run_evaluation(run_id=UUID(run_id))
    return get(client, f"prompt-evaluation-runs/{run_id}")


# -- evaluations


def test_cases_are_tried_and_what_came_of_each_is_kept(
    ann: Client, committed: World, scribe: Scribe
) -> None:
    bad = {**CASE, "name": "owl", "assertions": [{"kind": "equals", "value": "Owls"}]}
    run = tried(ann, committed.acme, started(ann, saved(ann, CASE, bad)))

    assert (run["state"], run["passed"], run["failed"]) == ("done", 1, 1)
    heron, owl = run["results"]
    assert (heron["name"], heron["passed"], heron["answer"]) == ("heron", True, "Sleeping Herons")
    assert owl["failures"] == [{"kind": "equals", "reason": "it is another text"}]
    assert run["finished_at"]


def test_a_version_is_tried_before_it_holds(ann: Client, committed: World, scribe: Scribe) -> None:
    number = write(ann, "Write a title. Be silly.")
    tried(ann, committed.acme, started(ann, saved(ann, CASE), version=number))

    assert scribe.titled[0].messages[0].text == "Write a title. Be silly."
    assert told(committed.acme) != "Write a title. Be silly."


def test_a_case_that_fails_is_a_result_and_the_rest_is_tried(
    ann: Client, committed: World, scribe: Scribe
) -> None:
    wrong = {**CASE, "variables": {"question": "only"}}
    scribe.title = None  # the model refuses
    run = tried(ann, committed.acme, started(ann, saved(ann, wrong, CASE)))

    assert [one["failures"][0]["reason"] for one in run["results"]] == [
        "prompt_value_invalid",
        "provider_rejected",
    ]
    assert run["failed"] == 2


def test_running_twice_tries_nothing_twice(ann: Client, committed: World, scribe: Scribe) -> None:
    run_id = started(ann, saved(ann, CASE))
    tried(ann, committed.acme, run_id)
    tried(ann, committed.acme, run_id)

    assert len(scribe.titled) == 1


def test_a_run_whose_worker_died_goes_on_where_it_stopped(
    ann: Client, committed: World, scribe: Scribe
) -> None:
    run_id = started(ann, saved(ann, CASE, {**CASE, "name": "two"}))
    done = {"name": "heron", "passed": True, "failures": [], "answer": "kept"}
    EvaluationRun.objects.update(state="running", attempt=1, results=[done], passed=1)
    run = tried(ann, committed.acme, run_id)

    assert [one["answer"] for one in run["results"]] == ["kept", "Sleeping Herons"]
    assert len(scribe.titled) == 1


def test_whoever_was_replaced_writes_nothing_any_more(
    ann: Client, committed: World, scribe: Scribe, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = started(ann, saved(ann, CASE, {**CASE, "name": "two"}))
    real = trials._tried

    def overtaken(run: EvaluationRun, case: Any) -> dict[str, Any]:
        EvaluationRun.objects.update(attempt=99)  # another worker claims it meanwhile
        return real(run, case)

    monkeypatch.setattr(trials, "_tried", overtaken)
    run = tried(ann, committed.acme, run_id)
    assert (run["state"], run["results"]) == ("running", [])


def test_what_does_not_fit_into_the_time_goes_on_in_another_task(
    ann: Client, committed: World, scribe: Scribe, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = started(ann, saved(ann, CASE))
    enqueued: list[tuple[str, Any]] = []
    monkeypatch.setattr(trials, "remaining_s", lambda: 1.0)
    monkeypatch.setattr(
        jobs, "enqueue_on_commit", lambda task, **given: enqueued.append((task, given))
    )
    run = tried(ann, committed.acme, run_id)

    assert run["state"] == "running"
    assert enqueued == [(evaluations.EVALUATION_TASK, {"queue": "default", "run_id": UUID(run_id)})]


def test_another_workspace_neither_sees_nor_runs_them(
    ann: Client, gus: Client, committed: World, scribe: Scribe
) -> None:
    set_id = saved(ann, CASE)
    run_id = started(ann, set_id)

    tried_there = scope.tenant_scope(committed.globex)
    with tried_there, scope.actor_scope(scope.SYSTEM), scope.correlation_scope():
        trials.run_evaluation(run_id=UUID(run_id))
    assert scribe.titled == []
    assert get(gus, f"prompts/{TITLE}/evaluations")["results"] == []
    get(gus, f"prompt-evaluation-runs/{run_id}", status=404)
    get(gus, f"prompt-evaluations/{set_id}/runs", status=404)
    assert gus.delete(f"/api/v1/prompt-evaluations/{set_id}").status_code == 404
    assert len(get(ann, f"prompt-evaluations/{set_id}/runs")["results"]) == 1


def test_sets_are_replaced_by_name_and_deleted_with_their_runs(ann: Client, scribe: Scribe) -> None:
    set_id = saved(ann, CASE)
    assert saved(ann, {**CASE, "name": "other"}) == set_id
    (found,) = get(ann, f"prompts/{TITLE}/evaluations")["results"]
    assert found["cases"][0]["name"] == "other"
    started(ann, set_id)
    assert ann.delete(f"/api/v1/prompt-evaluations/{set_id}").status_code == 204
    assert not EvaluationRun.objects.exists()


def test_changing_a_set_changes_no_run_that_was_started(
    ann: Client, committed: World, scribe: Scribe
) -> None:
    run_id = started(ann, saved(ann, CASE))
    saved(ann, {**CASE, "name": "other"})

    assert tried(ann, committed.acme, run_id)["results"][0]["name"] == "heron"


@pytest.mark.parametrize(
    "cases",
    [
        [],
        [{**CASE, "assertions": [{"kind": "regex", "value": "(?=x)"}]}],
        [{**CASE, "assertions": []}],
        [{**CASE, "variables": {"question": "\x00"}}],
    ],
)
def test_cases_that_cannot_be_tried_are_refused(ann: Client, cases: list[Any]) -> None:
    error = post(ann, f"prompts/{TITLE}/evaluations", {"name": "x", "cases": cases}, status=400)[
        "error"
    ]
    assert "cases" in error["details"]["fields"]


def test_a_workspace_runs_few_at_once(ann: Client, scribe: Scribe) -> None:
    set_id = saved(ann, CASE)
    for _run in range(evaluations.UNFINISHED_MAX):
        started(ann, set_id)
    post(ann, f"prompt-evaluations/{set_id}/runs", {"version": 0, "model": MODEL}, status=409)


def test_versions_and_models_that_do_not_exist_are_refused(ann: Client, scribe: Scribe) -> None:
    path = f"prompt-evaluations/{saved(ann, CASE)}/runs"
    post(ann, path, {"version": 7, "model": MODEL}, status=404)
    post(ann, path, {"version": 0, "model": "no/such"}, status=404)
    post(ann, f"prompt-evaluations/{new_id()}/runs", {"version": 0}, status=404)
    assert not OutboxEntry.objects.filter(task=evaluations.EVALUATION_TASK).exists()


def test_kept_answers_are_redacted(ann: Client, committed: World, scribe: Scribe) -> None:
    def stars(text: str) -> str:
        return text.replace("Herons", "******")

    registry.register_redactor(stars)
    try:
        run = tried(ann, committed.acme, started(ann, saved(ann, CASE)))
    finally:
        registry.unregister_redactor(stars)
    assert (run["results"][0]["answer"], run["passed"]) == ("Sleeping ******", 1)


# -- experiments


def begun(client: Client, *, share: int = 50) -> Any:
    number = write(client, "Write a title. B.")
    return post(
        client, f"prompts/{TITLE}/experiments", {"version": number, "share": share}, status=201
    )


def test_each_subject_keeps_one_version_and_both_are_used(ann: Client, committed: World) -> None:
    experiment = begun(ann)
    with scope.tenant_scope(committed.acme):
        rendered = [render_prompt(TITLE, GIVEN, subject=str(n)) for n in range(60)]
        again = [render_prompt(TITLE, GIVEN, subject=str(n)) for n in range(60)]

    assert rendered == again
    assert {(one.arm, one.version) for one in rendered} == {("a", 0), ("b", 1)}
    assert {str(one.experiment_id) for one in rendered} == {experiment["id"]}


def test_without_a_subject_and_elsewhere_there_is_no_experiment(
    ann: Client, committed: World
) -> None:
    begun(ann, share=99)
    with scope.tenant_scope(committed.acme):
        assert render_prompt(TITLE, GIVEN).experiment_id is None
    with scope.tenant_scope(committed.globex):
        assert {render_prompt(TITLE, GIVEN, subject=str(n)).arm for n in range(20)} == {""}


def test_outcomes_are_counted_once_for_each_subject(ann: Client) -> None:
    experiment = begun(ann)["id"]
    path = f"prompt-experiments/{experiment}/outcomes"

    assert post(ann, path, {"subject": "s", "passed": True}) == {"counted": True}
    assert post(ann, path, {"subject": "s", "passed": False}) == {"counted": False}
    found = get(ann, f"prompt-experiments/{experiment}")
    assert (found["n_a"] + found["n_b"], found["passed_a"] + found["passed_b"]) == (1, 1)
    assert found["passes"]["verdict"] == "too_few"
    post(ann, path, {"subject": "t"}, status=400)
    post(ann, path, {"subject": "t", "score": 1.5}, status=400)


def test_a_difference_that_chance_does_not_explain_is_told_and_kept_with_one_call(
    ann: Client, committed: World
) -> None:
    experiment = begun(ann)["id"]
    with scope.tenant_scope(committed.acme):
        for n in range(160):
            rendered = render_prompt(TITLE, GIVEN, subject=str(n))
            passed = n % 10 < (9 if rendered.arm == "b" else 5)
            experiments.note_prompt_outcome(rendered, passed=passed, score=float(passed))
    found = get(ann, f"prompt-experiments/{experiment}")

    assert found["passes"]["verdict"] == found["scores"]["verdict"] == "better"
    assert found["passes"]["p_value"] < 0.01
    assert found["passes"]["rate_b"] > found["passes"]["rate_a"]
    post(ann, f"prompt-experiments/{experiment}/stop", {"keep": "b"})
    assert told(committed.acme) == "Write a title. B."


def test_stopping_for_a_leaves_everything_as_it_was_and_twice_changes_nothing(
    ann: Client, committed: World
) -> None:
    before = told(committed.acme)
    experiment = begun(ann)["id"]
    for keep in ("a", "b"):
        ended = post(ann, f"prompt-experiments/{experiment}/stop", {"keep": keep})
        assert ended["state"] == "stopped"

    assert told(committed.acme) == before
    with scope.tenant_scope(committed.acme):
        assert render_prompt(TITLE, GIVEN, subject="s").arm == ""
    late = {"subject": "late", "passed": True}
    assert post(ann, f"prompt-experiments/{experiment}/outcomes", late) == {"counted": False}
    post(ann, f"prompt-experiments/{experiment}/stop", {"keep": "c"}, status=400)


def test_one_experiment_runs_and_holds_the_versions_still(ann: Client) -> None:
    begun(ann)
    number = write(ann, "Another.")
    post(ann, f"prompts/{TITLE}/experiments", {"version": number}, status=409)
    error = post(ann, f"prompts/{TITLE}/activate", {"version": number}, status=409)["error"]
    assert error["type"] == "prompt_experiment_runs"
    assert PromptExperiment.objects.count() == 1


def test_a_fragment_cannot_be_part_of_an_experiment(ann: Client) -> None:
    draft = {"messages": [{"role": "system", "text": "Facts:"}]}
    post(ann, "prompts/chat.facts/versions", draft, status=201)
    error = post(ann, "prompts/chat.facts/experiments", {"version": 1}, status=400)["error"]
    assert "version" in error["details"]["fields"]


@pytest.mark.parametrize("share", [0, 100, -1])
def test_a_share_leaves_somebody_on_each_side(ann: Client, share: int) -> None:
    number = write(ann, "B.")
    post(ann, f"prompts/{TITLE}/experiments", {"version": number, "share": share}, status=400)


def test_the_version_that_holds_is_not_compared_with_itself(ann: Client) -> None:
    number = write(ann, "B.")
    activate(ann, number)
    post(ann, f"prompts/{TITLE}/experiments", {"version": number}, status=400)
    post(ann, f"prompts/{TITLE}/experiments", {"version": 9}, status=404)


def test_another_workspace_does_not_reach_an_experiment(ann: Client, gus: Client) -> None:
    experiment = begun(ann)["id"]
    get(gus, f"prompt-experiments/{experiment}", status=404)
    post(gus, f"prompt-experiments/{experiment}/stop", {"keep": "b"}, status=404)
    outcome = {"subject": "s", "passed": True}
    post(gus, f"prompt-experiments/{experiment}/outcomes", outcome, status=404)
    assert get(gus, f"prompts/{TITLE}/experiments")["results"] == []
    assert len(get(ann, f"prompts/{TITLE}/experiments")["results"]) == 1


def test_karens_own_titles_take_part_and_count(
    committed: World, people: People, actor_in: ActorIn, scribe: Scribe
) -> None:
    actor = actor_in(people.ann, committed.acme)
    draft = {
        "messages": [
            {"role": "system", "text": "Write a title. B."},
            {"role": "user", "text": "{{ question }} {{ answer }}"},
        ]
    }
    with scope.tenant_scope(committed.acme), scope.actor_scope(actor), scope.correlation_scope():
        made = prompts.create_prompt_version(
            actor=actor, permission=EDIT_PROMPTS, name=TITLE, draft=draft
        )
        experiments.start_experiment(
            actor=actor, permission=EDIT_PROMPTS, name=TITLE, version=made.number, share=99
        )
    turn = send(actor=actor, tenant=committed.acme, model=MODEL)
    with scope.tenant_scope(committed.acme), scope.correlation_scope():
        orchestrator.run_turn(turn_id=turn.turn_id)
        titles.write_title(turn_id=turn.turn_id)

    outcome = PromptOutcome.objects.get()
    assert outcome.passed
    assert str(turn.conversation_id) not in outcome.subject
    told_b = scribe.titled[0].messages[0].text == "Write a title. B."
    assert outcome.arm == ("b" if told_b else "a")
