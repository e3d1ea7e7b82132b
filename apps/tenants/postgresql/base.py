"""A PostgreSQL backend whose schema follows the scope.

django-tenants keeps the current tenant as an attribute of a thread's connection; under async code
and thread pools one request then reads through another's setting (decisions.md, trap 1). Here
tenant and schema are properties over `core.scope`, and before each cursor what was really sent on
this physical connection is compared with what the scope wants. Code never sets a schema.
"""

from typing import Any

from django.db import OperationalError
from django.db.backends.utils import CursorWrapper
from django_tenants.postgresql_backend.base import (
    DatabaseWrapper as DjangoTenantsWrapper,
    FakeTenant,
)
from psycopg.pq import TransactionStatus
from typing_extensions import override

from apps.core import scope
from apps.core.errors import ProgrammingFault

PUBLIC = "public"


class SchemaSetByHand(ProgrammingFault):
    """Somebody called `set_tenant` or `set_schema`; only `tenant_scope` selects a schema."""


class DatabaseWrapper(DjangoTenantsWrapper):  # type: ignore[misc]  # untyped library
    """The django-tenants wrapper, reading tenant and schema from the scope."""

    _constructed = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._constructed = True

    @property
    def tenant(self) -> FakeTenant:
        """The tenant in scope, in the shape the library expects."""
        return FakeTenant(schema_name=self.schema_name)

    @tenant.setter
    def tenant(self, value: object) -> None:
        self._refuse_after_construction(value)

    @property
    def schema_name(self) -> str:
        """The schema the scope asks for; `public` outside any tenant."""
        ref = scope.current()
        return ref.schema if ref is not None else PUBLIC

    @schema_name.setter
    def schema_name(self, value: object) -> None:
        self._refuse_after_construction(value)

    @property
    def include_public_schema(self) -> bool:
        """Tenants also see the platform's books, behind their own schema."""
        return True

    @include_public_schema.setter
    def include_public_schema(self, value: object) -> None:
        self._refuse_after_construction(value)

    def _refuse_after_construction(self, value: object) -> None:
        # The library assigns initial values while it is constructed and by set_tenant later.
        if self._constructed:
            raise SchemaSetByHand(f"use tenant_scope(ref) instead of setting {value!r}")

    @override
    def _handle_search_path(self, cursor: CursorWrapper | None = None) -> None:
        # The library skips once anything was sent; what matters is whether it is what is wanted.
        # The mark lives on the physical connection: a pool hands it to other wrappers.
        if self._setting_search_path:
            return
        wanted = self._get_cursor_search_paths()
        self.search_path_set_schemas = getattr(self.connection, "karen_search_path", None)
        if self.search_path_set_schemas == wanted:
            return
        self.search_path_set_schemas = None
        super()._handle_search_path(cursor)
        sent: list[str] | None = getattr(self, "search_path_set_schemas", None)
        self._remember_search_path(sent)
        # The library swallows a failed SET, which would leave the former tenant's path in force. In
        # a failed transaction nothing can be read anyway, and a rollback must get through.
        status = self.connection.info.transaction_status
        if sent is None and status != TransactionStatus.INERROR:
            raise OperationalError("the search path could not be set")

    def _remember_search_path(self, paths: list[str] | None) -> None:
        if self.connection is not None:
            self.connection.karen_search_path = paths

    @override
    def rollback(self) -> None:
        """Roll back; a `SET` inside the transaction is undone with it, so forget what was sent."""
        super().rollback()
        self._remember_search_path(None)

    @override
    def savepoint_rollback(self, sid: str) -> None:
        """Roll back to a savepoint, forgetting what was sent since."""
        super().savepoint_rollback(sid)
        self._remember_search_path(None)

    @override
    def close(self) -> None:
        """Close or return the connection; the next borrower must not trust our mark blindly.

        A connection returned to the pool keeps its session's search path and its mark, unless a
        transaction is open: the pool rolls that back without passing through `rollback`.
        """
        if self.in_atomic_block or self.needs_rollback:
            self._remember_search_path(None)
        super().close()
