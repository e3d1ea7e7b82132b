"""Signing up: a person, a workspace and the ownership of it, or nothing."""

import pytest
from allauth.account.models import EmailAddress

from apps.accounts import permissions, selectors, services
from apps.accounts.errors import SignUpRefused
from apps.accounts.models.users import User
from apps.audit import selectors as audit
from apps.core.errors import InvalidInput, KarenError, RateLimited
from apps.tenants import selectors as tenants
from apps.tenants.errors import SlugInvalid, SlugTaken
from tests.fixtures.database import World
from tests.fixtures.people import PASSWORD, People

pytestmark = pytest.mark.django_db

FORM = {
    "email": "Zoe@New.Example",
    "password": "a rather long phrase",
    "name": "Zoe",
    "organisation": "New Ideas",
}


def test_a_new_person_owns_a_new_workspace(world: World) -> None:
    signed_up = services.sign_up(**FORM)
    [mine] = selectors.list_workspaces(signed_up.user_id)
    assert mine.tenant == signed_up.tenant
    assert mine.role == permissions.OWNER
    assert mine.url.startswith("http://new-ideas.localhost")


def test_the_address_is_kept_in_lower_case_and_unconfirmed(world: World) -> None:
    signed_up = services.sign_up(**FORM)
    address = EmailAddress.objects.get(user_id=signed_up.user_id)
    assert (address.email, address.verified, address.primary) == ("zoe@new.example", False, True)


def test_signing_up_is_recorded_in_the_name_of_the_new_person(world: World) -> None:
    signed_up = services.sign_up(**FORM)
    entries = {e.action: e for e in audit.list_entries(tenant_id=signed_up.tenant.id)}
    assert {"tenant.provisioned", "account.signed_up", "tenant.member_added"} <= entries.keys()
    assert {e.actor_id for e in entries.values()} == {signed_up.user_id}


@pytest.mark.parametrize("email", ["ann@acme.example", "ANN@acme.example", " ann@acme.example "])
def test_an_existing_account_is_neither_named_nor_touched(
    world: World, people: People, email: str
) -> None:
    before = User.objects.values().get(pk=people.ann)
    with pytest.raises(SignUpRefused) as refusal:
        services.sign_up(**{**FORM, "email": email})
    assert "exist" not in refusal.value.message()
    assert User.objects.values().get(pk=people.ann) == before
    assert [w.tenant for w in selectors.list_workspaces(people.ann)] == [world.acme]


def test_a_refused_sign_up_leaves_no_workspace_behind(world: World, people: People) -> None:
    with pytest.raises(SignUpRefused):
        services.sign_up(**{**FORM, "email": "ann@acme.example", "slug": "left-over"})
    assert tenants.find_ref_by_slug("left-over") is None


@pytest.mark.parametrize("email", ["zoe@new.example", "ann@acme.example"])
@pytest.mark.parametrize(
    "slug,refusal", [("acme", SlugTaken), ("-", SlugInvalid), ("admin", SlugInvalid)]
)
def test_what_is_said_about_a_slug_does_not_depend_on_the_e_mail_address(
    world: World, people: People, email: str, slug: str, refusal: type[KarenError]
) -> None:
    with pytest.raises(refusal):
        services.sign_up(**{**FORM, "email": email, "slug": slug})


@pytest.mark.parametrize(
    "field,value",
    [
        ("email", "not an address"),
        ("email", ""),
        ("password", "short"),
        ("password", "1234567890123"),
        ("password", "zoe@new.example"),
        ("organisation", "  "),
    ],
)
def test_what_does_not_fit_is_named(world: World, field: str, value: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        services.sign_up(**{**FORM, field: value})
    assert refusal.value.fields is not None
    assert field in refusal.value.fields


def test_a_person_can_have_several_workspaces(world: World, people: People) -> None:
    ref = services.create_workspace(user_id=people.ann, organisation="Second")
    assert {w.tenant.id for w in selectors.list_workspaces(people.ann)} == {world.acme.id, ref.id}


def test_nobody_creates_workspaces_without_end(world: World, people: People) -> None:
    with pytest.raises(RateLimited):
        for number in range(11):
            services.create_workspace(user_id=people.ann, organisation=f"Number {number}")


def test_an_operator_is_confirmed_and_belongs_to_no_workspace(world: World) -> None:
    user_id = services.create_operator(email="Op@site.example", password=PASSWORD)
    operator = User.objects.get(pk=user_id)
    assert (operator.email, operator.is_staff, operator.is_superuser) == (
        "op@site.example",
        True,
        True,
    )
    assert EmailAddress.objects.get(user=operator).verified
    assert selectors.list_workspaces(user_id) == ()


def test_an_existing_person_does_not_become_an_operator_by_the_way(
    world: World, people: People
) -> None:
    with pytest.raises(SignUpRefused):
        services.create_operator(email="ann@acme.example", password=PASSWORD)
    assert not User.objects.get(pk=people.ann).is_staff
