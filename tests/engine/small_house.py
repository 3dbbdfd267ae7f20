"""A small house on a scripted upstream, and its database as `cli seed` would make it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from devstack.places import folder
from maitre.books import Books
from maitre.settings import House

HOUSE = """\
domain: localhost
time_zone: Europe/Kyiv
max_turn_seconds: 20
trusted_proxies: [127.9.9.9]
wrong_keys_per_minute: 60
default_plan: free
providers:
  scripted:
    kind: openai
    base_url: {upstream}/v1
    models:
      scripted: {{ name: Scripted model }}
      small: {{ name: Small model, upstream: scripted, context: 2048 }}
      vectors: {{ name: Vectors, upstream: scripted, embedding: true }}
  narrow:
    kind: openai
    base_url: {upstream}/v1
    max_concurrent: 1
    models:
      narrow: {{ name: Narrow, upstream: scripted }}
prices:
  version: test
  models: {{ scripted: {{ input: "1", output: "2" }} }}
plans:
  wide: {{ name: Wide, price: 0, max_answer_tokens: 100000, models: [scripted, small, vectors, narrow] }}
  free: {{ name: Free, price: 0, requests_per_minute: 5, tokens_per_day: 20000, max_answer_tokens: 512 }}
"""
ASSISTANTS = {
    "host": "---\nname: Host\nmodel: scripted\noverrides: [max_tokens, temperature, stop]\n---\nYou are the host.\n",
    "former": "---\nname: Former\nmodel: scripted\njson_answer: true\njson_schema: {type: object, required: [a]}\n---\n"
    "You answer in JSON.\n",
}


def write_house(directory: Path, upstream: str, text: str = HOUSE, assistants: Mapping[str, str] = ASSISTANTS) -> None:
    """A small house on a scripted upstream. `text`: its maitre.yaml, with a place for the upstream's address;
    `assistants`: their files, besides those that are there already."""
    folder(directory / "assistants", 0o755)
    (directory / "maitre.yaml").write_text(text.format(upstream=upstream), "utf-8")
    for slug, text in assistants.items():
        (directory / "assistants" / f"{slug}.md").write_text(text, "utf-8")


async def seed(books: Books, house: House) -> None:
    """Maitre's database as `cli seed` makes it."""
    await books.migrate()
    for plan in house.plans.values():
        await books.put_plan(plan)
    for assistant in house.assistants.values():
        await books.put_assistant(assistant)
