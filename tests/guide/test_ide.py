"""The settings of docs/guides/ide.md."""

from __future__ import annotations

from typing import Any

import pytest
import requests
import yaml

from tests.api.conftest import Client
from tests.guide.conftest import Desk
from tests.guide.page import named, programs, same

PAGE = "guides/ide.md"
MODELS = yaml.safe_load(named(PAGE, "config.yaml"))["models"]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model["model"])
def test_what_the_configuration_names_is_there(model: dict[str, Any], reader: Client) -> None:
    """The base URL, the model and the key answer what Continue's OpenAI provider asks: a stream, or embeddings."""
    assert (model["provider"], model["apiKey"]) == ("openai", "${{ secrets.MAITRE_KEY }}")
    base = model["apiBase"].replace("http://localhost:20815", reader.url)
    body: dict[str, Any]
    if "embed" in model["roles"]:
        path, body = "embeddings", {"input": ["a", "b"]}
    else:
        path, body = "chat/completions", {"stream": True, "messages": [{"role": "user", "content": "Hello"}]}
    body["model"] = model["model"]
    answer = requests.post(f"{base}/{path}", json=body, headers=reader.headers, timeout=60)
    assert answer.status_code == 200, answer.text


def test_the_environment_variables_are_all_that_a_client_needs(reader: Client, desk: Desk) -> None:
    """The page's example prints what it shows."""
    (block,) = programs(PAGE)
    done = desk.run(block, reader)
    assert done.returncode == 0, done.stderr
    assert same(done.stdout, block.prints or ""), done.stdout
