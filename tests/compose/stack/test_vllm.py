"""vLLM has one service a GPU."""

from __future__ import annotations

from dataclasses import replace

import pytest

from compose.stack.catalogue import read_services
from compose.stack.vllm import COUNT, each_gpu

VLLM = read_services("gpu")["vllm"]


@pytest.mark.parametrize(
    ("count", "first", "expected"),
    [
        (1, 0, {"vllm": ("0",)}),
        (3, 0, {"vllm": ("0",), "vllm_2": ("1",), "vllm_3": ("2",)}),
        (2, 1, {"vllm": ("1",), "vllm_2": ("2",)}),
    ],
)
def test_one_service_a_gpu(count: int, first: int, expected: dict[str, tuple[str, ...]]) -> None:
    """Each has a name and a device of its own, after Ollama's, and nothing else is different."""
    services = list(each_gpu(replace(VLLM, settings={**VLLM.settings, COUNT: str(count)}), first))
    assert {one.name: one.gpus for one in services} == expected
    assert {(one.image, one.volumes, one.command) for one in services} == {(VLLM.image, VLLM.volumes, VLLM.command)}
