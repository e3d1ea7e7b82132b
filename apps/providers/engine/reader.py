"""The thread that looks for personal data: one for the process, as spaCy's vocabulary wants it.

It imports nothing heavy itself: what it runs does, on that thread and not on an event loop.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import cache
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


@cache
def _executor() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="reader")


async def in_reader(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Run blocking work on the reader's thread, from an event loop."""
    context = copy_context()
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_executor(), lambda: context.run(function, *args, **kwargs))


def beside_reader(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Run blocking work on the reader's thread and wait for it, from another thread."""
    context = copy_context()
    return _executor().submit(lambda: context.run(function, *args, **kwargs)).result()
