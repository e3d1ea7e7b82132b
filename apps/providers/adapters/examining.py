"""Trying out an endpoint: its list of models, one short question, and how each attempt ended.

What the server wrote is never passed on: it may hold the key it was sent, or something for the
eyes of its own operators.
"""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import httpcore2
import httpx2
import msgspec
import openai

from apps.core.errors import KarenError
from apps.core.http import DestinationRefused, ResponseTooLarge
from apps.core.logging import get_logger
from apps.providers import registry
from apps.providers.adapters.openai_compatible import http_client
from apps.providers.contracts import ChatAdapter, ChatMessage, Finished, ModelRequest, Role
from apps.providers.domain.examination import Ending, Step, StepReport, ending_of_status
from apps.providers.domain.listings import ListedModel, NotAList, listed_models
from apps.providers.domain.sse import SseError
from apps.providers.errors import (
    ConfigurationError,
    ProviderInterrupted,
    ProviderRejected,
    ProviderTimeout,
)

logger = get_logger(__name__)

LIST_TOTAL_S = 15.0
ASK_TOTAL_S = 30.0
LIST_MAX_BYTES = 8 * 1024 * 1024
_TIMEOUT = httpx2.Timeout(connect=5.0, read=10.0, write=5.0, pool=5.0)
_ASKED_TOKENS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The list of models of an endpoint, or why there is none."""

    report: StepReport
    models: tuple[ListedModel, ...] = ()


async def fetch_models(
    endpoint: registry.Endpoint, *, prefix: str = "", total_s: float | None = None
) -> Listing:
    """Ask an endpoint for its models; never raises for what the endpoint does.

    Args:
        endpoint: Whom to ask.
        prefix: Goes before the names.
        total_s: Seconds that it may take; `LIST_TOTAL_S` where it is not given.
    """
    started = time.monotonic()
    headers = {"Authorization": f"Bearer {endpoint.api_key}"} if endpoint.api_key else {}
    status: int | None = None
    models: tuple[ListedModel, ...] = ()
    client = http_client(
        endpoint,
        timeout=_TIMEOUT,
        total_timeout_s=LIST_TOTAL_S if total_s is None else total_s,
        max_bytes=LIST_MAX_BYTES,
    )
    try:
        async with client:
            answer = await client.get(f"{endpoint.base_url}/models", headers=headers)
        status = answer.status_code
        ending = ending_of_status(status)
        if ending is Ending.OK:
            models = listed_models(msgspec.json.decode(answer.content), prefix=prefix)
    except (
        httpx2.HTTPError,
        httpx2.StreamError,
        DestinationRefused,
        ResponseTooLarge,
        msgspec.DecodeError,
        NotAList,
        RecursionError,
    ) as error:
        ending = diagnosis_of(error)[0]
    report = StepReport(
        step=Step.LIST, ending=ending, http_status=status, took_ms=_ms_since(started)
    )
    return Listing(report=report, models=models)


async def ask_shortly(endpoint: registry.Endpoint, adapter: str, *, model_id: str) -> StepReport:
    """Ask one model one short question through the adapter that calls use; never raises for it."""
    started = time.monotonic()
    request = ModelRequest(
        model=model_id,
        messages=(ChatMessage(role=Role.USER, text="Say OK."),),
        max_tokens=_ASKED_TOKENS,
        temperature=0.0,
        partition="examination",
    )
    report = StepReport(step=Step.ASK, ending=Ending.ANSWER_CUT)
    try:
        async with asyncio.timeout(ASK_TOTAL_S):
            async with (
                _adapter_for_once(endpoint, adapter) as asked,
                aclosing(asked.stream(request)) as events,
            ):
                async for event in events:
                    if isinstance(event, Finished):
                        report = replace(report, ending=Ending.OK)
    except TimeoutError:
        report = replace(report, ending=Ending.ANSWER_TIMEOUT)
    except KarenError as error:
        ending, status = diagnosis_of(error)
        report = replace(report, ending=ending, http_status=status)
    return replace(report, took_ms=_ms_since(started))


@runtime_checkable
class _Closable(Protocol):
    """An adapter that keeps connections or models and can give them back."""

    async def aclose(self) -> None: ...


@asynccontextmanager
async def _adapter_for_once(endpoint: registry.Endpoint, name: str) -> AsyncIterator[ChatAdapter]:
    build = registry.wire(name)
    if build is None:
        raise ConfigurationError(f"no installed adapter is called {name}")
    adapter = build(endpoint)
    try:
        yield adapter
    finally:
        if isinstance(adapter, _Closable):
            await adapter.aclose()


def _ms_since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)


# -- what an exception means


def diagnosis_of(error: BaseException) -> tuple[Ending, int | None]:
    """Return how an attempt ended that raised `error`, and the HTTP status if there was one."""
    for each in _chain(error):
        if isinstance(each, openai.APIStatusError):
            if each.code == "insufficient_quota":
                return Ending.NO_CREDIT, each.status_code
            if each.code == "model_not_found":
                return Ending.MODEL_UNKNOWN, each.status_code
            return ending_of_status(each.status_code), each.status_code
        ending = _ending_of(each)
        if ending is not None:
            return ending, None
    return _last_resort(error), None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the causes of an exception, the first one first."""
    causes: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in causes:
        causes.append(current)
        current = current.__cause__ or current.__context__
    return reversed(causes)


# The first that fits decides, so what is more special stands first.
_ENDINGS: tuple[tuple[tuple[type[BaseException], ...], Ending], ...] = (
    ((DestinationRefused,), Ending.ADDRESS_REFUSED),
    ((ssl.SSLError,), Ending.TLS),
    ((httpcore2.ConnectError, httpx2.ConnectError), Ending.NO_CONNECTION),
    ((httpcore2.ConnectTimeout, httpx2.ConnectTimeout), Ending.CONNECT_TIMEOUT),
    ((httpcore2.TimeoutException, httpx2.TimeoutException), Ending.ANSWER_TIMEOUT),
    ((ResponseTooLarge,), Ending.ANSWER_TOO_LARGE),
    ((msgspec.DecodeError, SseError, NotAList, httpx2.DecodingError), Ending.ANSWER_STRANGE),
)
_NO_SUCH_NAME = ("does not resolve", "has no address")  # as `core.http` words it


def _ending_of(error: BaseException) -> Ending | None:
    ending = next((ending for kinds, ending in _ENDINGS if isinstance(error, kinds)), None)
    if ending is Ending.NO_CONNECTION and any(words in str(error) for words in _NO_SUCH_NAME):
        return Ending.NAME_UNKNOWN
    return ending


def _last_resort(error: BaseException) -> Ending:
    match error:
        case ProviderTimeout():
            return Ending.ANSWER_TIMEOUT
        case ProviderInterrupted() | httpx2.HTTPError() | httpx2.StreamError():
            return Ending.ANSWER_CUT
        case ProviderRejected():
            return Ending.REQUEST_REFUSED
        case RecursionError():
            return Ending.ANSWER_STRANGE
        case _:
            return Ending.ADAPTER_FAILED
