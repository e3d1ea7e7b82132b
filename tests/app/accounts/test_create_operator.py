"""`manage.py create_operator`."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from apps.accounts.models.users import User
from tests.fixtures.database import World
from tests.fixtures.people import PASSWORD, People

pytestmark = pytest.mark.django_db


def test_it_creates_an_operator(world: World) -> None:
    out = StringIO()
    call_command("create_operator", email="op@site.example", password=PASSWORD, stdout=out)
    assert "op@site.example" in out.getvalue()
    assert User.objects.get(email="op@site.example").is_superuser


@pytest.mark.parametrize(
    "email,password",
    [("op@site.example", "short"), ("nonsense", PASSWORD), ("ann@acme.example", PASSWORD)],
)
def test_it_says_what_does_not_fit(world: World, people: People, email: str, password: str) -> None:
    with pytest.raises(CommandError) as refusal:
        call_command("create_operator", email=email, password=password)
    assert str(refusal.value)
