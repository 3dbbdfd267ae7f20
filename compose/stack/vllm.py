"""vLLM as one service for each GPU. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from compose.stack.service import Service

#: The setting of compose/services/vllm.yaml that says how many there are.
COUNT = "gpus"


def each_gpu(service: Service, first: int = 0) -> Iterator[Service]:
    """A service for each GPU, by their numbers: vllm, vllm_2, vllm_3. They share the volume with the models, and each
    is a URL of its own in the house's provider. `first`: the first device that is not Ollama's."""
    for number in range(int(service.settings[COUNT])):
        name = f"{service.name}_{number + 1}" if number else service.name
        yield replace(service, name=name, gpus=(str(first + number),))
