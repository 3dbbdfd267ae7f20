"""The example house over an upstream that gives the answers of docs/: what a good model would say there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.engine.hall import Hall
from tests.engine.seeded import seeded_hall
from tests.upstream import ScriptedUpstream, running_upstream
from tests.upstream.script import Script, text_of

ROOT = Path(__file__).parents[2]

WEATHER = Script(tool_calls=({"name": "weather", "arguments": {"city": "Kyiv"}},))
BOOKING = Script(text='{"name": "Olha", "guests": 4}')


class GoodModel(ScriptedUpstream):
    """Knows what the pages ask."""

    def script_for(self, body: dict[str, Any], messages: list[Any]) -> tuple[Script, str]:
        """By the parameters, else by what was said."""
        said = [text_of(message) for message in messages]
        if "script:" in said[-1]:
            return super().script_for(body, messages)
        if body.get("response_format"):
            return BOOKING, ""
        if body.get("tools") and messages[-1].get("role") != "tool":
            return WEATHER, ""
        if messages[-1].get("role") == "tool":
            return Script(text="It is 21 degrees in Kyiv."), ""
        if "What is my name?" in said[-1]:
            known = any("My name is Olha." in one for one in said)
            return Script(text="Your name is Olha." if known else "I do not know it."), ""
        return Script(text="A maître d’ welcomes the guests."), ""


def text_of_house() -> str:
    """config/maitre.yaml with a scripted provider, which has what the example lacks: a model that takes tools, and one
    that makes embeddings for guests. No minute is ever full."""
    house = yaml.safe_load((ROOT / "config" / "maitre.yaml").read_text("utf-8"))
    local = house["providers"]["local"]
    models = local["models"] | {
        "large": {"upstream": "scripted"},
        "embedder": {"upstream": "scripted", "embedding": True},
    }
    for model in models.values():
        model["upstream"] = "scripted"
    house["providers"]["local"] = {"kind": "openai", "base_url": "UPSTREAM/v1", "max_concurrent": 2, "models": models}
    house["providers"]["embedder"]["base_url"] = "UPSTREAM/v1"
    house["plans"]["pro"] |= {"models": list(models), "requests_per_minute": 1000}
    text: str = yaml.safe_dump(house, allow_unicode=True, sort_keys=False)
    return text.replace("{", "{{").replace("}", "}}").replace("UPSTREAM", "{upstream}")


@contextmanager
def guide_house(folder: Path) -> Iterator[Hall]:
    """The house with its stores and a gateway, seeded and running."""
    shutil.copytree(ROOT / "config" / "assistants", folder / "house" / "assistants")
    with (
        running_upstream(GoodModel) as upstream,
        seeded_hall(folder, upstream.url, text_of_house(), {}) as hall,
    ):
        hall.start("gateway")
        yield hall
