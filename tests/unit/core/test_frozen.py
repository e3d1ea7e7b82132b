"""A queryset made once puts each caller's ids into their own places."""

from uuid import UUID

import pytest
from django.db.models import QuerySet
from hypothesis import given, strategies as st

from apps.core.frozen import FrozenQuery
from apps.jobs.models import Lease


def _leases(key: UUID, tenant_id: UUID) -> QuerySet[Lease]:
    return Lease.objects.filter(key=key).exclude(tenant_id=tenant_id)


_frozen = FrozenQuery(_leases, "key", "tenant_id")


@given(st.uuids(), st.uuids())
def test_a_frozen_queryset_asks_what_the_plain_one_asks(key: UUID, tenant_id: UUID) -> None:
    """Also after it was asked by others, and where both ids are the same."""
    text, params = _frozen.sql(key=key, tenant_id=tenant_id)
    plain_text, plain_params = _leases(key, tenant_id).query.sql_with_params()

    assert (text, params) == (plain_text, list(plain_params))


def test_an_id_that_is_missing_or_unknown_is_refused() -> None:
    with pytest.raises(TypeError):
        _frozen.sql(key=UUID(int=7))
    with pytest.raises(TypeError):
        _frozen.sql(key=UUID(int=7), tenant_id=UUID(int=8), other=UUID(int=9))
