import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings, strategies as st

from apps.audit.models import AuditEntry
from apps.core import crypto, scope
from apps.core.ids import new_id
from apps.tenants import provisioning, selectors, services as tenants
from apps.tenants.domain.slugs import slug_problem
from apps.tenants.errors import SlugInvalid, SlugTaken, TenantStateConflict
from apps.tenants.models import SpareSchema, Tenant
from apps.tenants.template import TEMPLATE_SCHEMA, migrate_schema
from tests.fixtures.database import World

_CATALOGUE = {
    "relations": """
        SELECT c.relname, c.relkind, c.relpersistence, c.relhasindex FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s ORDER BY 1, 2""",
    "columns": """
        SELECT c.relname, a.attname, a.attnum, format_type(a.atttypid, a.atttypmod), a.attnotnull,
               a.attidentity, pg_get_expr(d.adbin, d.adrelid)
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        JOIN pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE n.nspname = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY 1, 3""",
    "constraints": """
        SELECT c.conname, c.contype, c.condeferrable, pg_get_constraintdef(c.oid)
        FROM pg_constraint c JOIN pg_namespace n ON n.oid = c.connamespace
        WHERE n.nspname = %s ORDER BY 1""",
    "indexes": "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = %s ORDER BY 1",
    "migrations": "SELECT app, name FROM {schema}.django_migrations ORDER BY 1, 2",
}


def _same_spelling(text: str, schema: str) -> str:
    """Remove the schema's name, and the casts that PostgreSQL writes differently once reparsed.

    `x = ANY (ARRAY[...]::text[])` and `x = ANY (ARRAY[(...)::text])` are the same expression.
    """
    text = text.replace(f'"{schema}"', "S").replace(schema, "S")
    return re.sub(r"::character varying|::text|\[\]|[()]", "", text) if "ANY" in text else text


def _catalogue(schema: str) -> dict[str, list[tuple[str, ...]]]:
    found = {}
    with connection.cursor() as cursor:
        for name, query in _CATALOGUE.items():
            sql = query.replace("{schema}", f'"{schema}"')
            cursor.execute(sql, [schema] if "%s" in sql else [])
            found[name] = [
                tuple(_same_spelling(str(value), schema) for value in row)
                for row in cursor.fetchall()
            ]
    return found


def test_a_provisioned_schema_equals_a_migrated_one(committed: World) -> None:
    schema = provisioning.new_schema_name()
    with connection.cursor() as cursor:
        cursor.execute(f'CREATE SCHEMA "{schema}"')
    try:
        migrate_schema(schema)

        migrated, provisioned = _catalogue(schema), _catalogue(committed.acme.schema)

        assert migrated == provisioned
        assert len(migrated["columns"]) > 20
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f'DROP SCHEMA "{schema}" CASCADE')


def test_a_new_workspace_is_active_with_its_own_key_and_host(committed: World) -> None:
    ref = tenants.provision_tenant(name="Initech")

    row = Tenant.objects.get(pk=ref.id)
    assert (row.slug, row.state) == ("initech", "active")
    assert row.schema_name.startswith("t_")
    assert "initech" not in row.schema_name
    assert len(crypto.unwrap_data_key(bytes(row.wrapped_data_key), tenant_id=ref.id)) == 32
    assert selectors.workspace_url(ref).startswith("http://initech.localhost")
    entry = AuditEntry.objects.get(action="tenant.provisioned", tenant_id=ref.id)
    assert entry.new == {"state": "active"}


def test_a_taken_address_is_numbered_when_it_comes_from_a_name(committed: World) -> None:
    assert tenants.provision_tenant(name="Acme").slug == "acme-2"
    assert tenants.provision_tenant(name="ACME!").slug == "acme-3"


def test_a_taken_address_is_refused_when_it_was_asked_for(committed: World) -> None:
    with pytest.raises(SlugTaken):
        tenants.provision_tenant(name="Other", slug="acme")


@pytest.mark.parametrize("slug", ["admin", "www", "x", "a_b", "Ä", "a" * 41, "-x-"])
def test_an_unusable_address_is_refused_and_nothing_is_left(committed: World, slug: str) -> None:
    before = Tenant.objects.count()

    with pytest.raises(SlugInvalid):
        tenants.provision_tenant(name="Other", slug=slug)

    assert Tenant.objects.count() == before


def test_a_spare_schema_is_taken_first_and_replaced(committed: World) -> None:
    provisioning.fill_spares()  # a worker of another test may have made some already
    assert SpareSchema.objects.count() == 2
    assert provisioning.fill_spares() == 0
    spare = SpareSchema.objects.first()
    assert spare is not None

    ref = tenants.provision_tenant(name="Initech")

    assert ref.schema == spare.schema_name
    assert SpareSchema.objects.count() == 1
    for left in SpareSchema.objects.all():
        with connection.cursor() as cursor:
            cursor.execute(f'DROP SCHEMA "{left.schema_name}" CASCADE')
        left.delete()


def test_a_suspended_workspace_is_closed_and_can_be_opened_again(committed: World) -> None:
    tenants.suspend_tenant(tenant_id=committed.acme.id)
    assert selectors.find_active_ref(committed.acme.id) is None
    with pytest.raises(TenantStateConflict):
        tenants.suspend_tenant(tenant_id=committed.acme.id)

    tenants.resume_tenant(tenant_id=committed.acme.id)

    assert selectors.find_active_ref(committed.acme.id) == committed.acme


def test_work_for_a_workspace_asks_for_it_once(committed: World) -> None:
    selectors.find_active_ref(committed.acme.id)

    with CaptureQueriesContext(connection) as queries:
        assert selectors.find_active_ref(committed.acme.id) == committed.acme

    assert not queries.captured_queries


def test_a_workspace_that_is_not_there_is_asked_for_again(committed: World) -> None:
    unknown = new_id()
    assert selectors.find_active_ref(unknown) is None

    with CaptureQueriesContext(connection) as queries:
        assert selectors.find_active_ref(unknown) is None

    assert queries.captured_queries


def test_the_template_belongs_to_nobody(committed: World) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", [TEMPLATE_SCHEMA])
        assert cursor.fetchone()
    assert not Tenant.objects.filter(schema_name=TEMPLATE_SCHEMA).exists()


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(name=st.text(max_size=60))
def test_every_name_gets_a_valid_free_address(committed: World, name: str) -> None:
    with scope.tenant_scope(None):
        slug = selectors.suggest_slug(name)

    assert slug_problem(slug) is None
    assert selectors.slug_is_free(slug)
