"""What assistants say of themselves: looked up once for a version of the catalogue, and never an older one's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from unittest.mock import Mock

import pytest

from maitre.assistants.assistant import Assistant
from maitre.assistants.catalogue import Catalogue
from maitre.chat import resemblance
from maitre.chat.message import TurnRequest
from maitre.chat.resemblance import Resemblance
from maitre.errors import StoreDown
from maitre.routing.likenesses_memory import MemoryLikenesses
from maitre.routing.routing import Similar
from maitre.routing.similar import mark
from tests.maitre.chat.kitchen import Kitchen

EAST, NORTH = [1.0, 0.0], [0.0, 1.0]
SIMILAR = Similar(("coach", "tutor"), 0.02)
COACH = Assistant("coach", "Coach", "small", "", description="sports")
TUTOR = Assistant("tutor", "Tutor", "small", "", description="schools", examples=("grammar",))
BEFORE = Catalogue(1, {}, {"coach": COACH, "tutor": TUTOR})
SWAPPED = {"coach": replace(COACH, description="schools"), "tutor": replace(TUTOR, description="sports", examples=())}


class Eastward:
    """Stands for the embedder: every question is about sports."""

    async def question(self, request: TurnRequest, text: str, turn_id: str) -> Sequence[float]:
        return EAST


class Shelf(MemoryLikenesses):
    """Likenesses that count how often they are read, and fail when they are away."""

    reads, away = 0, False

    async def read(self) -> dict[str, Sequence[float]]:
        self.reads += 1
        if self.away:
            raise StoreDown("Postgres does not answer.")
        return dict(await super().read())


async def shelf() -> Shelf:
    """The vectors of two subjects."""
    made = Shelf()
    await made.put({mark("sports", "e"): EAST, mark("schools", "e"): NORTH, mark("grammar", "e"): NORTH})
    return made


async def like(compared: Resemblance, catalogue: Catalogue, closed: str = "") -> str | None:
    """Whom a question is like."""
    request = Kitchen().request("hello")
    return await compared.of(request, "hello", "t", SIMILAR, catalogue, lambda name: name != closed)


async def test_texts_are_hashed_once_for_a_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many turns are routed, and whatever of it is open to each guest."""
    hashing = Mock(wraps=mark)
    monkeypatch.setattr(resemblance, "mark", hashing)
    kept = await shelf()
    compared = Resemblance(Eastward(), kept, "e")
    answers = [await like(compared, BEFORE, closed) for closed in ("", "tutor", "coach", "")]
    assert answers == ["coach", None, None, "coach"]
    assert sorted(call.args[0] for call in hashing.call_args_list) == ["grammar", "schools", "sports"]
    assert kept.reads == 1


async def test_a_change_of_the_catalogue_is_seen_at_once() -> None:
    """New texts, new vectors and missing assistants; also by a turn that began under an older version."""
    kept = await shelf()
    compared = Resemblance(Eastward(), kept, "e")
    assert await like(compared, BEFORE) == "coach"
    swapped = Catalogue(2, {}, SWAPPED)
    assert await like(compared, swapped) == "tutor"
    assert await like(compared, BEFORE) == "coach"
    assert await like(compared, swapped) == "tutor"
    await kept.put({mark("schools", "e"): EAST, mark("sports", "e"): NORTH})
    assert await like(compared, Catalogue(3, {}, SWAPPED)) == "coach"
    assert await like(compared, Catalogue(4, {}, {"coach": COACH})) is None


async def test_a_reading_that_failed_is_tried_again() -> None:
    """Meanwhile nobody is compared by the texts of an older version."""
    kept = await shelf()
    compared = Resemblance(Eastward(), kept, "e")
    assert await like(compared, BEFORE) == "coach"
    kept.away = True
    swapped = Catalogue(2, {}, SWAPPED)
    assert await like(compared, swapped) is None
    kept.away = False
    assert await like(compared, swapped) == "tutor"
