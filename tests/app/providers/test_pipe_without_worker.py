"""Asking a model in the worker when there is none. A module of its own: workers last for one."""

import pytest

from apps.core import scope
from apps.core.redis import RedisRole, async_redis
from apps.providers import pipe
from apps.providers.contracts import ChatMessage, Flow, ModelRequest, Role
from apps.providers.errors import ProviderUnavailable
from tests.fixtures.database import World


async def test_without_a_worker_the_model_is_not_reachable(
    committed: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipe, "START_S", 0.5)
    request = ModelRequest(
        model="echo/plain",
        messages=(ChatMessage(role=Role.USER, text="hello"),),
        max_tokens=10,
        temperature=0.5,
        partition="t:c",
    )
    with scope.tenant_scope(committed.acme), scope.correlation_scope():
        with pytest.raises(ProviderUnavailable):
            async for _ in pipe.stream_in_worker(flow=Flow.API_ANSWER, request=request):
                pass
    left = [key async for key in async_redis(RedisRole.STREAMS).scan_iter(b"*:call:*")]
    assert left == []
