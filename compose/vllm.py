"""vLLM as one service for each GPU. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from compose.service import Service

#: The setting of compose/services/vllm.yaml that says how many there are.
COUNT = "gpus"


def each_gpu(service: Service) -> Iterator[Service]:
    """A service for each GPU, in the order of their numbers: vllm, vllm_2, vllm_3. They share the volume with the models,
    and each is a URL of its own in the house's provider."""
    for number in range(1, int(service.settings[COUNT]) + 1):
        name = service.name if number == 1 else f"{service.name}_{number}"
        yield replace(service, name=name, gpus=(str(number - 1),))
