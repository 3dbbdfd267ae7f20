"""LiteLLM as a rival: its proxy by configuration only, a master key and no database, in an environment of its own.

So its numbers are without virtual keys, budgets and spend records, which our gateway's turns have.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from benchmarks.servers import Server, free_port, running
from devstack.places import ROOT, environment
from devstack.probe import http_json
from devstack.process import Command
from maitre.errors import HouseError

VERSION = "1.98.0"
ENVIRONMENT = ROOT / ".venv-litellm"
KEY = "sk-bench"

#: No second worker, no telemetry, no look at the network for prices, nothing of a request in the log.
_QUIET = {"LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MODE": "PRODUCTION"}


@contextmanager
def litellm(base: Path, logs: Path, upstream: str, model: str) -> Iterator[Server]:
    """The proxy in front of one model of an OpenAI-compatible upstream. HouseError when it is not installed."""
    command = ENVIRONMENT / "bin" / "litellm"
    if not command.exists():
        raise HouseError("LiteLLM is not installed: `make .venv-litellm/installed` does that.")
    config = base / "litellm.yaml"
    config.write_text(yaml.safe_dump(settings(upstream, model)), "utf-8")
    port = free_port("litellm")
    words = (
        *(str(command), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)),
        *("--num_workers", "1", "--telemetry", "False"),
    )
    started = Command(words, base, environment(**_QUIET))

    def healthy() -> bool:
        return http_json(port, "/health/liveliness") is not None

    with running(f"LiteLLM {VERSION}", started, logs / "litellm.log", healthy, port, patience=120) as server:
        yield server


def settings(upstream: str, model: str) -> dict[str, object]:
    """Its configuration: one model, one key."""
    return {
        "model_list": [
            {
                "model_name": model,
                "litellm_params": {"model": f"openai/{model}", "api_base": f"{upstream}/v1", "api_key": "none"},
            }
        ],
        "general_settings": {"master_key": KEY},
    }
