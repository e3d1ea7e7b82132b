"""Fetches a model file from an https address into the library."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urljoin, urlsplit

from django.conf import settings

from apps.core.http import (
    CONNECTION_ERRORS,
    Response,
    ResponseTooLarge,
    SafeAsyncClient,
    safe_async_client,
)
from apps.core.logging import get_logger
from apps.providers import library, metrics
from apps.providers.errors import ModelImportRefused

logger = get_logger(__name__)

ATTEMPTS = 5
PAUSE_S = 2.0  # before the next attempt; doubles
HOPS = 5  # hubs send to their file servers
TOTAL_TIMEOUT_S = 24 * 3600.0
_REDIRECTS = {301, 302, 303, 307, 308}


def default_client() -> SafeAsyncClient:
    """Return a client that reaches public https addresses only; in test runs this machine only."""
    return safe_async_client(
        loopback_only=not settings.PROVIDERS_ALLOW_NETWORK,
        total_timeout_s=TOTAL_TIMEOUT_S,
        max_bytes=library.largest_bytes(),
    )


async def import_url(
    url: str,
    *,
    sha256: str,
    name: str = "",
    progress: library.Progress = library.no_progress,
    client: Callable[[], SafeAsyncClient] = default_client,
    pause_s: float = PAUSE_S,
) -> Path:
    """Fetch a GGUF file, continuing what an earlier call left, and return where it lies.

    Redirects are followed a few times; every address on the way is checked like the first.

    Args:
        url: Its https address.
        sha256: Its checksum; never optional, as the address proves nothing.
        name: What it will be called; the last part of the address when empty.
        progress: Told after each piece.
        client: Makes what it is fetched with.
        pause_s: Seconds before the second attempt.

    Raises:
        ModelImportRefused: The address, name or checksum is wrong, the file too large or not what
            the checksum says, or it could not be fetched; what has arrived waits for the next call.
        DestinationRefused: The address may not be contacted.
    """
    checksum = library.checked_sha256(sha256)
    chosen = name or unquote(PurePosixPath(urlsplit(url).path).name)
    with library.arrival(name=chosen, sha256=checksum) as coming:
        async with client() as http:
            for attempt in range(1, ATTEMPTS + 1):
                try:
                    await _continue(http, url, coming, progress)
                    break
                except CONNECTION_ERRORS as error:
                    logger.warning(
                        "local_model.import_broken",
                        attempt=attempt,
                        bytes=coming.here,
                        cause=type(error).__name__,
                    )
                    if attempt == ATTEMPTS:
                        raise ModelImportRefused(
                            "the connection broke; the next import continues"
                        ) from error
                await asyncio.sleep(pause_s * 2 ** (attempt - 1))
        return coming.finish()


async def _continue(
    http: SafeAsyncClient, url: str, coming: library.Arrival, progress: library.Progress
) -> None:
    for _ in range(HOPS):
        headers = {"Range": f"bytes={coming.here}-"} if coming.here else {}
        async with http.stream("GET", url, headers=headers) as response:
            if response.status_code in _REDIRECTS:
                url = urljoin(url, response.headers.get("location", ""))
                continue
            await _take(response, coming, progress)
            return
    raise ModelImportRefused("it redirects too often")


async def _take(response: Response, coming: library.Arrival, progress: library.Progress) -> None:
    if response.status_code == 416 and coming.here:
        return  # nothing comes after what is here: the checksum decides
    if response.status_code not in {200, 206}:
        raise ModelImportRefused(f"the server answered with status {response.status_code}")
    if response.status_code == 200 or _begins_at(response.headers) != coming.here:
        if response.status_code == 206:
            raise ModelImportRefused("the server sent another part than was asked for")
        coming.restart()
    length = response.headers.get("content-length", "")
    total = coming.here + int(length) if length.isdecimal() else 0
    coming.expect(total)
    try:
        # As they come: what waits for a larger piece is lost when the connection breaks.
        async for piece in response.aiter_bytes():
            coming.write(piece)
            metrics.DOWNLOAD_BYTES.inc(len(piece))
            progress(coming.here, total)
    except ResponseTooLarge as error:
        raise ModelImportRefused("it is larger than MODELS_IMPORT_MAX_MIB") from error


def _begins_at(headers: Mapping[str, str]) -> int:
    """Return where the sent part begins, -1 when that is not told."""
    unit, _space, span = headers.get("content-range", "").partition(" ")
    first = span.partition("-")[0]
    return int(first) if unit == "bytes" and first.isdecimal() else -1
