"""Two gateways and one Pipelines host on one Valkey and one Postgres, and the ways in that they have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import requests

from devstack import gateway, ports
from devstack.part import Part
from maitre.settings import Endpoint
from tests.engine.crash import short_leases
from tests.engine.hall import Hall
from tests.user_jwt import headers_of, mint

#: The second gateway. Everything of a hall is by name, and this one is a name of ours.
SECOND = cast(Endpoint, "second")

PIPELINES: Endpoint = "pipelines"
GATEWAYS: tuple[Endpoint, ...] = ("gateway", SECOND)

HOUSE = """\
domain: localhost
time_zone: UTC
max_turn_seconds: 30
providers:
  wide: {{ kind: openai, base_url: {upstream}/v1, models: {{ scripted: {{}} }} }}
  narrow:
    kind: openai
    base_url: {upstream}/v1
    max_concurrent: 1
    models: {{ narrow: {{ upstream: scripted }} }}
prices: {{ version: test, models: {{ scripted: {{ input: "1", output: "2" }} }} }}
plans:
  wide: {{ name: Wide, price: 0, max_answer_tokens: 500, models: [scripted, narrow] }}
  minute: {{ name: Minute, price: 0, max_answer_tokens: 20, models: [scripted], requests_per_minute: 7 }}
  day: {{ name: Day, price: 0, max_answer_tokens: 20, models: [scripted], requests_per_day: 9 }}
  tokens: {{ name: Tokens, price: 0, max_answer_tokens: 20, models: [scripted], tokens_per_day: 600 }}
  few: {{ name: Few, price: 0, max_answer_tokens: 500, models: [scripted], concurrency: 3 }}
"""
BUTLER = "---\nname: Butler\nmodel: scripted\nmemory: { load: 10, keep: 5 }\n---\nYou remember.\n"


class SeveralHall(Hall):
    """A hall with two gateways and a host, all with leases of seconds."""

    def __init__(self, folder_of_house: Path, upstream: str, traces: str) -> None:
        (folder_of_house / "assistants").mkdir(parents=True)
        (folder_of_house / "assistants" / "butler.md").write_text(BUTLER, "utf-8")
        super().__init__(folder_of_house, upstream, traces, HOUSE)
        self.ports |= ports.sticky(self.house.state / "ports.json", [SECOND], {})
        urls: dict[Endpoint, str] = {
            "traces": traces,
            **{name: self.parts[name].url for name in ("postgres", "valkey")},
        }
        second = gateway.part(self.house, self.ports[SECOND], urls, {})
        self.parts[SECOND] = replace(second, name=SECOND)
        for name in (*GATEWAYS, PIPELINES):
            self.parts[name] = _short(self.parts[name])

    def close(self) -> None:
        if SECOND in self.who:
            self.kill(SECOND)
        super().close()


def _short(part: Part) -> Part:
    words = tuple(short_leases.__name__ if word == "maitre.http.http_server" else word for word in part.command.argv)
    return replace(part, command=replace(part.command, argv=words))


@dataclass(frozen=True)
class Way:
    """One way into the house for one guest: a process, and who vouches."""

    url: str
    headers: Mapping[str, str]

    def chat(
        self, text: str = "hello", model: str = "models.scripted", *, stream: bool = False, **more: Any
    ) -> requests.Response:
        """A chat completion; of a streamed one, what has come so far."""
        body = {"model": model, "stream": stream, "messages": [{"role": "user", "content": text}], **more}
        url = f"{self.url}/v1/chat/completions"
        return requests.post(url, json=body, headers=dict(self.headers), stream=stream, timeout=60)

    def get(self, path: str) -> requests.Response:
        """GET a path."""
        return requests.get(self.url + path, headers=self.headers, timeout=60)


def by_key(hall: Hall, key: str) -> list[Way]:
    """Both gateways, with an API key."""
    return [Way(hall.parts[name].url, {"Authorization": f"Bearer {key}"}) for name in GATEWAYS]


def ways(hall: Hall, guest: dict[str, str]) -> list[Way]:
    """All ways of a guest: by API key and as Open WebUI's user at both gateways, and at the Pipelines host."""
    key, house = hall.key(guest), hall.house
    vouched = {
        "Authorization": f"Bearer {house.secret('gateway_key')}",
        "X-OpenWebUI-User-Jwt": mint(house.secret("user_jwt"), guest),
    }
    at_gateways = [Way(hall.parts[name].url, vouched) for name in GATEWAYS]
    return [*by_key(hall, key), *at_gateways, Way(hall.url, headers_of(house, guest))]


def race(doors: Sequence[Way], count: int, text: str) -> list[requests.Response]:
    """So many chats at once, over all ways in turn."""
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(lambda number: doors[number % len(doors)].chat(text), range(count)))
