"""What the tests of turns with knowledge share: a shelf of passages, an assistant that looks into it, what it made of
that."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from maitre.chat import sse
from maitre.knowledge.collection import Readers
from maitre.knowledge.passage import Passage
from maitre.knowledge.wish import KnowledgeWish
from tests.maitre.chat.kitchen import COACH, SMALL, Kitchen

WISH = KnowledgeWish(("handbook", "menu"))
READING = replace(COACH, slug="reader", name="Reader", knowledge=WISH)
KEYS = Passage("k1", "", "d1", "Handbook", "The keys hang behind the bar.", 0, page=3, heading="Rooms › Keys")
BAR = Passage("k2", "", "d1", "Handbook", "The bar closes at eleven.", 0, page=7)
SOUP = Passage("m1", "", "d2", "Menu", "Soup of the day: borsch, from the bar.", 0, url="https://x.io/menu")
EVERYONE = Readers(everyone=True)
QUESTION = "Where are the keys of the bar?"


def furnish(kitchen: Kitchen, readers: Readers = EVERYONE, **wish: Any) -> None:
    """Offer the assistant, and fill its collections; `menu` is for the group of cooks."""
    kitchen.registry.offer(replace(READING, knowledge=replace(WISH, **wish)))
    kitchen.library.offer("handbook", readers, KEYS, BAR)
    kitchen.library.offer("menu", Readers(groups=("cooks",)), SOUP)
    kitchen.models["small"] = replace(SMALL)


def system(kitchen: Kitchen, call: int = -1) -> str:
    """The system message that went upstream with a call."""
    first = kitchen.model.calls[call][1]["messages"][0]
    assert first["role"] == "system"
    return str(first["content"])


def asked(content: str = QUESTION, **how: Any) -> dict[str, Any]:
    """How the assistant is asked."""
    return {"content": content, "model": "assistants.reader", **how}


def chips(events: list[bytes]) -> list[dict[str, Any]]:
    """The sources that a browser was told, and where the first word came after them."""
    told = [sse.payload(event) or {} for event in events]
    return [one["event"]["data"] for one in told if "event" in one and one["event"]["type"] == "source"]
