"""Passages put into a prompt: as many of what was found for a turn as its assistant wants, and as fit."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from maitre.chat.prepared import Prepared
from maitre.chat.recall import Sized, room
from maitre.errors import BadRequest
from maitre.knowledge.passage import Passage
from maitre.knowledge.quoting import quoted
from maitre.providers.size import Ratios

#: Tokens of what a model is told of passages, and of the marks around each.
ABOUT, MARKS = 160, 40


class Giving:
    """Gives turns their passages. One for a process."""

    def __init__(self, ratios: Ratios) -> None:
        self._ratios = ratios

    async def give(self, prepared: Prepared, sized: Sized) -> Prepared:
        """The turn with the best of its passages, that fit beside the prompt and the largest answer. A next model is
        given none that the one before was not."""
        grounded = prepared.grounded
        if grounded is None or not grounded.passages:
            return prepared
        taken = self._fitting(prepared, grounded.passages, grounded.wish.max_tokens)
        system, *talk = prepared.body["messages"]
        while taken:
            text = "\n\n" + quoted(taken, prepared.sources.numbered(taken), grounded.mark, cite=not prepared.checked)
            body = {**prepared.body, "messages": [{**system, "content": system["content"] + text}, *talk]}
            given = replace(grounded, passages=tuple(taken), taken=tuple(taken), text=text)
            with suppress(BadRequest):  # the estimate was too low
                full = await sized(replace(prepared, body=body, grounded=given), prepared.max_tokens)
                if full.max_tokens >= prepared.max_tokens:
                    return full
            taken = taken[:-1]
        return replace(prepared, grounded=replace(grounded, passages=()))

    def without(self, prepared: Prepared) -> Prepared:
        """The turn without the passages that it was given."""
        grounded = prepared.grounded
        if grounded is None or not grounded.text:
            return prepared
        system, *talk = prepared.body["messages"]
        content = system["content"].removesuffix(grounded.text)
        body = {**prepared.body, "messages": [{**system, "content": content}, *talk]}
        return replace(prepared, body=body, grounded=replace(grounded, taken=(), text=""))

    def _fitting(self, prepared: Prepared, passages: tuple[Passage, ...], most: int) -> list[Passage]:
        free = room(prepared)
        left = most if free is None else min(most, free - ABOUT)
        taken: list[Passage] = []
        for one in passages:
            size = self._ratios.tokens(prepared.model.id, len(one.text.encode("utf-8", "replace"))) + MARKS
            if size <= left:
                taken.append(one)
                left -= size
        return taken
