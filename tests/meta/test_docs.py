"""Pages that list names of the code list all of them and no others."""

import importlib
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import get_args

import pytest
from django.apps import apps as django_apps
from django.utils.module_loading import module_has_submodule

from apps.core.errors import registered_errors
from karen_site.env import Environment, configuration_page

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def _rows(text: str) -> Iterator[list[str]]:
    for line in text.splitlines():
        if line.startswith("| `"):
            yield [cell.strip() for cell in line.strip("|").split("|")]


def _section(text: str, title: str) -> set[str]:
    body = text.partition(f"## {title}\n")[2].partition("\n## ")[0]
    return {row[0].strip("`") for row in _rows(body)}


def test_the_configuration_page_is_up_to_date() -> None:
    page = (DOCS / "configuration.md").read_text()

    assert page == configuration_page(), "run: python -m karen_site.env > docs/configuration.md"


@pytest.mark.parametrize("spec", fields(Environment), ids=lambda spec: spec.name)
def test_every_variable_says_what_it_is_for(spec: object) -> None:
    metadata = spec.metadata  # type: ignore[attr-defined]  # a dataclass field

    assert metadata["help"].endswith((".", "`"))
    assert metadata["group"]


def test_every_error_code_is_explained() -> None:
    for config in django_apps.get_app_configs():
        if config.name.startswith("apps.") and module_has_submodule(config.module, "errors"):
            importlib.import_module(f"{config.name}.errors")
    importlib.import_module("apps.core.http")  # declares its own, being the only one to raise them
    listed = {
        row[0].strip("`"): (int(row[1]), row[2] == "yes")
        for row in _rows((DOCS / "errors.md").read_text())
        if len(row) == 4 and row[3]
    }

    assert listed == {
        code: (cls.status, cls.retryable)
        for code, cls in registered_errors().items()
        if cls.__module__.startswith("apps.")
    }


def test_every_frame_and_event_of_the_socket_is_described() -> None:
    from apps.conversations import contracts

    page = (DOCS / "protocol.md").read_text()
    sources = "".join(
        (ROOT / "apps/conversations" / name).read_text()
        for name in ("consumers.py", "relay.py", "presence.py")
    )
    frames = get_args(get_args(contracts.ClientFrame)[0])
    events = get_args(get_args(contracts.TurnEvent)[0])

    assert _section(page, "Client to server") == {
        get_args(frame.model_fields["type"].annotation)[0] for frame in frames
    }
    assert _section(page, "Events of a turn") == {
        event.model_fields["kind"].default for event in events
    }
    assert _section(page, "Server to client") == set(re.findall(r'"type": "([a-z]+)"', sources))


def test_every_close_code_is_described() -> None:
    page = (DOCS / "protocol.md").read_text().partition("## Close codes\n")[2]
    sources = "".join(
        (ROOT / path).read_text()
        for path in ("apps/conversations/consumers.py", "apps/tenants/asgi.py")
    )

    described = set(re.findall(r"^\| (\d{4}) \|", page, re.MULTILINE))
    assert described == set(re.findall(r"^CLOSE_\w+ = (\d{4})$", sources, re.MULTILINE))
