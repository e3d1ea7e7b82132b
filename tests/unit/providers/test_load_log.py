"""What llama.cpp's load log says of a GPU, on lines made after its source: none is here."""

import pytest
from hypothesis import given, strategies as st

from apps.providers.domain.cpus import cpu_numbers
from apps.providers.domain.load_log import offloaded_layers

CUDA = [
    "load_tensors: loading model tensors, this can take a while... (load_mode = mmap)",
    "load_tensors: offloading output layer to GPU",
    "load_tensors: offloading 29 repeating layers to GPU",
    "load_tensors: offloaded 31/31 layers to GPU",
    "load_tensors:   CPU_Mapped model buffer size =    28.69 MiB",
    "load_tensors:        CUDA0 model buffer size =    92.10 MiB",
]
CPU_ONLY = [
    "load_tensors: loading model tensors, this can take a while... (load_mode = mmap)",
    "load_tensors: layer   0 assigned to device CPU, is_swa = 0",
    "load_tensors:   CPU_Mapped model buffer size =    92.10 MiB",
]


@pytest.mark.parametrize(
    "lines,layers",
    [
        (CUDA, (31, 31)),
        (["load_tensors: offloaded 12/33 layers to GPU"], (12, 33)),
        (["load_tensors: offloaded 0/33 layers to GPU"], (0, 33)),
        (CPU_ONLY, None),
        ([], None),
    ],
)
def test_the_log_tells_how_many_layers_are_on_a_gpu(
    lines: list[str], layers: tuple[int, int] | None
) -> None:
    assert offloaded_layers(lines) == layers


@given(st.sets(st.integers(0, 4095), max_size=9))
def test_a_list_of_processors_is_read(numbers: set[int]) -> None:
    assert cpu_numbers(",".join(map(str, numbers))) == numbers


def test_ranges_of_processors_are_read() -> None:
    assert cpu_numbers(" 0-2, 5 ,7-7") == {0, 1, 2, 5, 7}
    assert cpu_numbers("") == frozenset()


@pytest.mark.parametrize("text", ["a", "1-", "-1", "3-1", "1,,x", "0-9999", "1.5"])
def test_what_is_no_list_of_processors_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # its text is the part that does not fit
        cpu_numbers(text)
