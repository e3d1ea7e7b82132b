"""Reads in llama.cpp's log how many layers a model really has on a GPU. Pure.

Asking for layers is only a wish: a build without a GPU backend, a missing driver or a device that
is not found leave everything on the CPU, and nothing but the log tells.
"""

import re
from collections.abc import Iterable

_OFFLOADED = re.compile(r"offloaded (\d+)/(\d+) layers to GPU")


def offloaded_layers(lines: Iterable[str]) -> tuple[int, int] | None:
    """Return how many layers of how many are on a GPU; None when the log says nothing of one."""
    found = [match for line in lines if (match := _OFFLOADED.search(line))]
    return (int(found[-1][1]), int(found[-1][2])) if found else None
