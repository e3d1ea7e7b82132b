"""Make two workspaces with signed-in people in a running stack; prints them as JSON.

`python -m tests.chaos.people 4` in the environment of the stack makes four people in each.
"""

import json
import sys
from dataclasses import asdict, dataclass

import django

SLUGS = ("fire", "water")


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


def make(count: int) -> list[Person]:
    """Return `count` people in each of two fresh workspaces."""
    django.setup()
    from django.conf import settings
    from django.contrib.auth import get_user_model
    from django.test import Client

    from apps.accounts import services as accounts
    from apps.core import scope
    from apps.tenants import services as tenants

    people = []
    with scope.actor_scope(scope.SYSTEM), scope.correlation_scope():
        for slug in SLUGS:
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


if __name__ == "__main__":
    made = [asdict(person) for person in make(int(sys.argv[1]))]
    print(json.dumps(made))  # noqa: T201  # for whoever started it
