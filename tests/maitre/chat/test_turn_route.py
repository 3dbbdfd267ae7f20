"""A turn of a router: served as the chosen assistant's, told as the router's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from maitre.assistants.assistant import Assistant
from maitre.chat import sse
from maitre.chat.message import TurnRequest
from maitre.errors import UnknownModel
from maitre.keys.key import Key
from maitre.memory.memory import Memory
from maitre.routing.routing import Routing, Rule, Similar, Way
from tests.maitre.chat.kitchen import COACH, FRAN, FREE, Kitchen, Plate, error_of

SPLIT = (Way("coach", "auto:a"), Way("tutor", "auto:b", 1000))
RULES = (
    Rule((Way("tutor"),), contains=("teach*",)),
    Rule((Way("closed"),), contains=("secret",)),
    Rule(SPLIT, contains=("split",)),
    Rule((Way("tutor"),), groups=("cooks",)),
    Rule((Way("coach"),)),
)
TUTOR = Assistant("tutor", "Tutor", "small", "You teach.")
CLOSED = Assistant("closed", "Closed", "small", "You hide.", plans=("pro",))
AUTO = Assistant("auto", "Auto", "", "", type="router", routing=Routing(RULES))


def kitchen(auto: Assistant = AUTO, **terms: Any) -> Kitchen:
    """A house with a router."""
    made = Kitchen(**terms)
    made.registry.offer(FREE, COACH, TUTOR, CLOSED, auto)
    return made


@pytest.mark.parametrize(
    ("text", "chosen", "variant"),
    [("Teaching time", "tutor", ""), ("hello", "coach", ""), ("secret", "coach", ""), ("split me", "tutor", "auto:b")],
)
async def test_the_row_names_the_chosen_and_the_answer_the_router(text: str, chosen: str, variant: str) -> None:
    """The ledger and the trace have the assistant and the variant; the guest sees what was asked for."""
    house = kitchen()
    plate = Plate()
    request = house.request([{"type": "text", "text": text}, "odd"][:1], model="assistants.auto")
    await house.turns.stream(request, plate)
    await house.check_books()
    (call,) = house.books.calls.values()
    assert (call.assistant, call.variant) == (chosen, variant)
    (report,) = house.tracer.reports
    assert (report.assistant, report.variant) == (chosen, variant)
    assert not [event for event in plate.events if b"selected_model_id" in event]
    _, body = house.model.calls[0]
    assert body["messages"][0]["content"] == {"tutor": "You teach.", "coach": "You coach."}[chosen]


async def test_a_router_that_leads_nowhere_is_refused() -> None:
    """Nobody gets an assistant that the plan does not have by asking a router; a closed router is not in the plan."""
    for auto in (replace(AUTO, routing=Routing((Rule((Way("closed"),)),))), replace(AUTO, plans=("pro",))):
        house = kitchen(auto)
        with pytest.raises(UnknownModel) as refused:
            await house.answer(model="assistants.auto")
        assert refused.value.key == "not_in_plan"
    house = kitchen(replace(AUTO, enabled=False))
    with pytest.raises(UnknownModel, match="unknown_model"):
        await house.answer(model="assistants.auto")


async def test_groups_come_from_the_connection_or_the_house() -> None:
    """What Open WebUI tells goes first; a guest with an API key has those that the house's files give the e-mail."""
    for told, known, chosen in (((), {}, "coach"), (("cooks",), {}, "tutor"), ((), {"fran@x.io": ("cooks",)}, "tutor")):
        house = kitchen(groups=known)
        await house.turns.answer(replace(house.request(model="assistants.auto"), groups=told))
        await house.check_books()
        assert [call.assistant for call in house.books.calls.values()] == [chosen]


async def test_a_key_opens_the_router_or_not() -> None:
    """A key for the router need not open where it leads; one for an assistant does not open the router."""
    house = kitchen()
    key = Key("k1", FRAN.user_id, "k", house.clock(), models=("assistants.auto",))
    request = house.request(model="assistants.auto")
    await house.turns.answer(replace(request, key=key))
    with pytest.raises(UnknownModel):
        await house.turns.answer(replace(request, key=replace(key, models=("assistants.coach",))))
    await house.check_books()


@pytest.mark.parametrize("wanted", [True, False])
async def test_a_browser_is_shown_the_choice_if_the_house_wants_it(wanted: bool) -> None:
    """Once, before the first word, and only a browser; an assistant that was asked for by name is not told."""
    house = kitchen(show_route=wanted)
    mark = replace(house.stamp(browser=True), model="assistants.auto")
    events = await house.stream("teach me", model="assistants.auto", stamp=mark)
    told = [sse.payload(event) for event in events if b"selected_model_id" in event]
    assert told == ([{"selected_model_id": "assistants.tutor"}] if wanted else [])
    assert not wanted or b"selected_model_id" in events[0]
    for how in ({"model": "assistants.auto"}, {"stamp": house.stamp("b" * 32, browser=True)}):
        events = await house.stream("teach me", **how)
        assert not [event for event in events if b"selected_model_id" in event]


async def test_a_refused_browser_is_shown_no_choice() -> None:
    """A refusal stands alone."""
    house = kitchen(show_route=True)
    house.registry.offer(replace(FREE, limits={"requests_per_minute": 0}), COACH, TUTOR, AUTO)
    events = await house.stream(model="assistants.auto", stamp=house.stamp(browser=True))
    assert len(events) == 1
    assert error_of(events)["code"] == 429


async def test_a_key_for_a_router_is_one_for_what_it_picks() -> None:
    """Within the plan; a key for what it would pick opens no router."""
    house = kitchen()
    auto, tutor = (Key("k" * 16, "u1", "k", house.clock(), models=(f"assistants.{one}",)) for one in ("auto", "tutor"))
    request = house.request("teach me", model="assistants.auto")
    await house.turns.answer(replace(request, key=auto))
    assert [call.assistant for call in house.books.calls.values()] == ["tutor"]
    for wanted, key in (("assistants.tutor", auto), ("assistants.auto", tutor)):
        with pytest.raises(UnknownModel):
            await house.turns.answer(replace(house.request("teach me", model=wanted), key=key))


async def test_a_turn_whose_route_is_shown_is_remembered() -> None:
    """What stands between the turn and its guest does not keep it out of the memory."""
    house = kitchen(show_route=True)
    house.registry.offer(replace(TUTOR, memory=Memory(browser=True)))
    mark = replace(house.stamp(browser=True, chat_id="c1"), model="assistants.auto")
    await house.stream("teach me", model="assistants.auto", stamp=mark)
    kept = await house.sessions.elsewhere("u1", "auto", "", 5)
    assert [turn.messages[0]["content"] for turn in kept] == ["teach me"]


class Comparing:
    """Stands for the comparison of questions; keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[TurnRequest] = []

    async def of(self, request: TurnRequest, *_: object) -> str | None:
        """Nobody in particular."""
        self.asked.append(request)
        return None


def comparing() -> tuple[Kitchen, Comparing]:
    """A house whose router compares questions."""
    made = kitchen(replace(AUTO, routing=Routing(RULES, Similar(("coach", "tutor"), 0.02))))
    resemblance = Comparing()
    made.turns.reception.resemblance = resemblance  # type: ignore[assignment]
    return made, resemblance


@pytest.mark.parametrize("records", [("none", "full"), ("full", "none")])
async def test_a_question_is_compared_no_less_quietly_than_whoever_may_answer(records: tuple[str, str]) -> None:
    """Words that an assistant does not record do not get into the trace by way of the router's embedding."""
    house, resemblance = comparing()
    house.registry.offer(replace(COACH, record=records[0]), replace(TUTOR, record=records[1]))
    await house.answer("hello", model="assistants.auto")
    assert [one.record for one in resemblance.asked] == ["none"]


async def test_a_key_that_does_not_open_the_router_pays_for_no_comparison() -> None:
    """It is refused before anything is embedded."""
    house, resemblance = comparing()
    key = Key("0" * 16, FRAN.user_id, "k", house.clock(), models=("assistants.coach",))
    with pytest.raises(UnknownModel):
        await house.turns.answer(replace(house.request("hello", model="assistants.auto"), key=key))
    assert not resemblance.asked
