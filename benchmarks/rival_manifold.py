"""The manifold that Maitre is measured against: what a plugin for the upstream Pipelines server usually does.

It posts the body with `requests` and gives the upstream's lines back. No quota, no ledger, no trace.
"""

import os
from typing import Any

import requests


class Pipeline:
    """A manifold with one model, `rival_manifold.scripted`."""

    def __init__(self) -> None:
        self.type = "manifold"
        self.name = "Rival: "
        self.url = os.environ["RIVAL_UPSTREAM_URL"] + "/v1/chat/completions"
        self.pipelines = [{"id": "scripted", "name": "scripted"}]

    def pipe(self, user_message: str, model_id: str, messages: list[Any], body: dict[str, Any]) -> Any:
        sent = {name: value for name, value in body.items() if name != "user"}
        answer = requests.post(self.url, json={**sent, "model": model_id}, stream=True)
        answer.raise_for_status()
        return answer.iter_lines() if body["stream"] else answer.json()
