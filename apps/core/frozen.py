"""Querysets whose SQL is made once: where making it costs more than asking it.

Django compiles a queryset anew each time, which for a condition with a subquery takes a
millisecond of processor time; the database answers in a fraction of that. Only for what every
message and every answer asks; everything else says what it wants with a plain queryset.
"""

from collections.abc import Callable
from typing import Any, Generic, TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet

ModelT = TypeVar("ModelT", bound=Model)


class FrozenQuery(Generic[ModelT]):
    """A queryset with places for ids.

    Built at its first use, within the transaction that a lock demands.
    """

    def __init__(self, build: Callable[..., QuerySet[ModelT]], *names: str) -> None:
        """Remember how the queryset is built.

        Args:
            build: Takes an id for each of `names` and returns the queryset: no JSON among its
                annotations, no `select_related`.
            names: The ids that differ from call to call.
        """
        self._build = build
        self._places = {name: UUID(int=number) for number, name in enumerate(names, 1)}
        self._made: tuple[type[ModelT], str, tuple[Any, ...]] | None = None

    def sql(self, **ids: UUID) -> tuple[str, list[Any]]:
        """Return the statement and its parameters, with `ids` in their places.

        Raises:
            TypeError: An id is missing, or is none of the names.
        """
        if ids.keys() != self._places.keys():
            raise TypeError(f"give {', '.join(self._places)}")
        _model, text, params = self._frozen()
        wanted = {self._places[name]: value for name, value in ids.items()}
        return text, [wanted.get(p, p) if isinstance(p, UUID) else p for p in params]

    def rows(self, **ids: UUID) -> list[ModelT]:
        """Ask, with `ids` in their places.

        Raises:
            TypeError: As `sql`.
        """
        model = self._frozen()[0]
        text, params = self.sql(**ids)
        return list(model._default_manager.raw(text, params))  # public

    def _frozen(self) -> tuple[type[ModelT], str, tuple[Any, ...]]:
        if self._made is None:
            queryset = self._build(**self._places)
            text, params = queryset.query.sql_with_params()
            self._made = (queryset.model, text, tuple(params))
        return self._made
