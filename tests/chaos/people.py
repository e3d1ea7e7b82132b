"""Make two workspaces with signed-in people in a running stack; prints them as JSON.

`python -m tests.chaos.people 4 fire water` in the environment of the stack makes four in each.
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import django

from tools.stack.bootstrap import ROOT

SLUGS = ("fire", "water")  # of the stack under fire


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who is signed in.

    Attributes:
        slug: Their workspace.
        label: Who they are in every message they write.
        cookies: The Cookie header of their browser.
    """

    slug: str
    label: str
    cookies: str


def make(count: int, slugs: Sequence[str]) -> list[Person]:
    """Return `count` people in each of the fresh workspaces `slugs`."""
    django.setup()
    from django.conf import settings
    from django.contrib.auth import get_user_model
    from django.test import Client

    from apps.accounts import services as accounts
    from apps.core import scope
    from apps.tenants import services as tenants

    people = []
    with scope.actor_scope(scope.SYSTEM), scope.correlation_scope():
        for slug in slugs:
            tenant = tenants.provision_tenant(name=slug.title(), slug=slug)
            for number in range(count):
                label = f"{slug}{number}"
                user = get_user_model().objects.create_user(
                    email=f"{label}@chaos.example", password=f"correct horse {label}", name=label
                )
                accounts.add_member(tenant=tenant, user_id=user.pk, role="member")
                browser = Client(HTTP_HOST=f"{slug}.localhost")
                with scope.tenant_scope(tenant):
                    browser.force_login(user, backend="apps.accounts.backends.MembershipBackend")
                name = settings.SESSION_COOKIE_NAME
                cookies = f"{name}={browser.cookies[name].value}"
                people.append(Person(slug=slug, label=label, cookies=cookies))
    return people


def people_of(environment: Mapping[str, str], count: int, slugs: Sequence[str]) -> list[Person]:
    """Make people in the installation that `environment` names, in a process of its own.

    Raises:
        RuntimeError: It failed; the text says what it printed.
    """
    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos.people", str(count), *slugs],
        cwd=ROOT,
        env=dict(environment),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(done.stderr[-2000:])
    return [Person(**each) for each in json.loads(done.stdout.splitlines()[-1])]


if __name__ == "__main__":
    made = [asdict(person) for person in make(int(sys.argv[1]), sys.argv[2:])]
    print(json.dumps(made))  # noqa: T201  # for whoever started it
