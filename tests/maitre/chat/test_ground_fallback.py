"""Passages when another model is asked: the same ones, as far as they fit, and sources that are what was given."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from maitre.chat import sse
from tests.maitre.chat.kitchen import Reply
from tests.maitre.chat.library import BAR, KEYS, READING, asked, chips, furnish
from tests.maitre.chat.test_fallback import BROKE, DOWN, NEXT, Two


def house(context: int | None) -> Two:
    """A house whose first model fails, and whose next one has such a context."""
    two = Two()
    furnish(two)
    two.registry.offer(replace(READING, model="best"))
    two.models["next"] = replace(NEXT, context=context)
    two.model.replies = [Reply(pieces=(), fault=DOWN)]
    return two


@pytest.mark.parametrize(("context", "given"), [(None, [KEYS, BAR]), (10 + 100 + 160 + 60, [KEYS]), (10 + 100, [])])
@pytest.mark.parametrize("how", ["whole", "api", "browser"])
async def test_the_sources_are_the_answering_models(context: int | None, given: list[Any], how: str) -> None:
    """What the failed model had been given is no source of an answer that had less; nothing is looked for twice."""
    two = house(context)
    if how == "whole":
        sources = (await two.answer(**asked())).get("sources", [])
        texts = [one["text"] for source in sources for one in source["passages"]]
    elif how == "api":
        told = [sse.payload(event) or {} for event in await two.stream(**asked())]
        texts = [one["text"] for chunk in told for source in chunk.get("sources", ()) for one in source["passages"]]
    else:
        stamp = replace(two.stamp(browser=True), model="assistants.reader")
        texts = [text for chip in chips(await two.stream(**asked(stamp=stamp))) for text in chip["document"]]
    assert texts == [one.text for one in given]
    system = two.next.calls[0][1]["messages"][0]["content"]
    assert [one for one in (KEYS, BAR) if one.text in system] == given
    assert len(two.tracer.tools) == 1
    await two.check_books()


async def test_a_chip_stays_when_the_answer_breaks_off() -> None:
    """The guest has read words that were made of it; then the error, and no other model."""
    two = house(None)
    two.model.replies = [Reply(pieces=("Half",), fault=BROKE)]
    stamp = replace(two.stamp(browser=True), model="assistants.reader")
    events = await two.stream(**asked(stamp=stamp))
    assert len(chips(events)) == 1
    assert b'"error"' in events[-1]
    assert not two.next.calls
