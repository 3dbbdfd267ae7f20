"""What a person sees in Open WebUI, in a real browser. Screenshots of it all are kept in artifacts/browser/."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.both_books import aside, both_books
from tests.e2e.inn import Guest, Inn, by, script
from tests.e2e.page import PATIENCE, ChatPage, chromium, find_chromium
from tests.e2e.test_queue import IN_LINE, seat_taken, waiting
from tests.e2e.test_queue import MODEL as QUEUED
from tests.upstream import ScriptedUpstream

pytestmark = [pytest.mark.e2e, pytest.mark.browser]

#: The page does the same whichever way its question goes, and test_browser_chat.py asks both ways. Without this mark
#: are the tests whose pictures are of what our servers say.
ONE_WAY = by("pipelines")

REAL_MODEL = 4 * PATIENCE  # the embedded model shares few cores with everything else, and writes titles besides

MakeGuest = Callable[[str], Guest]
OpenPage = Callable[..., ChatPage]

REFUSED = {
    "en-US": r"You have used the Free plan's requests for this minute \(limit: 5\)\. You can ask again (at|on) [^.]+\.",
    "uk-UA": r"Ви використали запити плану Free на цю хвилину \(ліміт: 5\)\. Знову запитати можна [^.]+\.",
    "ru-RU": r"Вы использовали запросы плана Free на эту минуту \(лимит: 5\)\. Снова спросить можно [^.]+\.",
}


@pytest.fixture(scope="module")
def browser(running_house: Inn) -> Iterator[Browser]:
    """Chromium. Skipped by name where it is not installed."""
    executable = find_chromium()
    if executable is None:
        pytest.skip("Chromium is not installed (Debian: chromium, fonts-liberation); as root `make test` installs it")
    with chromium(executable) as started:
        yield started


@pytest.fixture
def open_page(browser: Browser, running_house: Inn, request: pytest.FixtureRequest) -> Iterator[OpenPage]:
    """Opens fresh windows, as of different people. What each shows at the end is kept as a picture."""
    opened: list[ChatPage] = []
    shots = "gateway-" if running_house.house.webui.connection == "gateway" else ""
    with ExitStack() as contexts:

        def open_one(language: str = "en-US", patience: int = PATIENCE) -> ChatPage:
            context = browser.new_context(viewport={"width": 1280, "height": 800}, locale=language)
            contexts.callback(context.close)
            opened.append(ChatPage(context.new_page(), running_house.url, patience, shots))
            return opened[-1]

        yield open_one
        for number, page in enumerate(opened):
            page.shot(f"{request.node.name}{number or ''}")
        assert [page.strangers for page in opened] == [[]] * len(opened), "the page asked somebody outside of the house"


@pytest.fixture
def guest(running_house: Inn) -> MakeGuest:
    """Makes a fresh guest with a plan."""
    return lambda plan: aside(running_house.new_guest, plan)


def of_plan(inn: Inn, plan: str) -> dict[str, str]:
    """What the selector must show to a guest of the plan: id -> name."""
    house = inn.house
    assistants = {
        f"assistants.{slug}": one.name for slug, one in house.assistants.items() if one.enabled and one.open_to(plan)
    }
    return assistants | {f"models.{id}": house.models[id].name for id in house.plans[plan].models}


@ONE_WAY
def test_a_free_guest_signs_in_and_sees_an_answer_grow(running_house: Inn, open_page: OpenPage) -> None:
    """Through the form to exactly the plan's assistants, and the real model's answer comes word by word."""
    page = open_page(patience=REAL_MODEL)
    page.sign_in(running_house.login("free@maitre.example"))
    offered = page.offered()
    assert offered == of_plan(running_house, "free")
    assert not {"assistants.business-planner", "assistants.refused", "models.smollm2"} & set(offered)
    page.choose("assistants.general")
    page.say("What is a good breakfast?")
    begun = page.read_on()
    grown = page.read_on(begun)
    page.shot("answer-grows")
    assert len(begun) < len(grown) <= len(page.read())


@ONE_WAY
def test_the_business_guest_has_the_business_assistant(running_house: Inn, open_page: OpenPage) -> None:
    """The Business plan's own assistant and plain model are offered, and the assistant answers to the end."""
    page = open_page(patience=REAL_MODEL)
    page.sign_in(running_house.login("business@maitre.example"))
    offered = page.offered()
    assert offered == of_plan(running_house, "business")
    assert {"assistants.business-planner", "models.smollm2"} <= set(offered)
    page.choose("assistants.business-planner")
    page.say("Хочу открыть кофейню.")
    assert page.read()
    assert page.usage()["completion_tokens"] > 0


def test_the_minute_ends_in_one_sentence(open_page: OpenPage, guest: MakeGuest) -> None:
    """Five messages are answered; in the place of the sixth answer stands the sentence with the time, and nothing
    else. It is still there after a reload."""
    page = open_page()
    page.enter(guest("free"))
    page.choose("assistants.scripted")
    for _ in range(5):
        page.say("hello")
        assert page.read() == "The kitchen is open tonight."
        page.rest()
    page.say("hello")
    box = page.read()
    assert re.fullmatch(REFUSED["en-US"], box)
    page.shot("refused")
    page.page.reload()
    assert page.read().endswith(box)


@ONE_WAY
@pytest.mark.parametrize("language", ["uk-UA", "ru-RU"])
def test_a_guest_is_refused_in_the_language_of_the_page(
    running_house: Inn, open_page: OpenPage, guest: MakeGuest, language: str
) -> None:
    """The browser's language reaches the sentence."""
    free = guest("free")
    for _ in range(5):
        assert running_house.chat(free, "assistants.scripted", "hello").status_code == 200
    page = open_page(language)
    page.enter(free)
    page.choose("assistants.scripted")
    page.say("Привіт")
    assert re.fullmatch(REFUSED[language], page.read())


@ONE_WAY
def test_stop_ends_the_upstream_call(
    running_house: Inn, open_page: OpenPage, guest: MakeGuest, upstream: ScriptedUpstream
) -> None:
    """The text so far stays; the row is stopped, estimated, and between what was read and the hold."""
    wide = guest("wide")
    page = open_page()
    page.enter(wide)
    page.choose("assistants.scripted")
    page.say(script(n=3000, interval_ms=20))
    begun = page.read_on()
    page.read_on(begun)
    page.stop()
    page.rest()
    read = page.read().split()
    ((row, call),) = [both for both in both_books(running_house, upstream, wide) if both[0]["kind"] == "turn"]
    assert (row["status"], row["estimated"], row["counted"]) == ("stopped", True, 1)
    assert call.ended == "client gone"
    assert len(read) <= row["completion_tokens"] <= 3000
    assert page.read().split() == read


def test_a_place_in_the_line_becomes_the_answer(running_house: Inn, open_page: OpenPage, guest: MakeGuest) -> None:
    """A guest who has to wait reads the place in the line where the answer will stand, and then the answer."""
    page = open_page()
    page.enter(guest("wide"))
    page.choose(QUEUED)
    with seat_taken(running_house, guest("wide")):
        page.say(script(n=3))
        line = page.answer.get_by_text(IN_LINE)
        expect(line.first).to_be_visible(timeout=PATIENCE)
        page.shot("in-line")
    page.rest()
    assert page.read().endswith("word0 word1 word2")
    expect(line).to_have_count(0)


@ONE_WAY
def test_stop_while_waiting_lets_the_next_one_up(
    running_house: Inn, open_page: OpenPage, guest: MakeGuest, eventually: Callable[..., Any]
) -> None:
    """Who presses Stop in the line leaves it, and the next in line sees the place move up."""
    first, second = open_page(), open_page()
    leaver, stayer = guest("wide"), guest("wide")
    for page, who in ((first, leaver), (second, stayer)):
        page.enter(who)
        page.choose(QUEUED)
        page.say("Good evening")  # the chat's title is made now, and will not wait in the line
        page.rest()
    for who in (leaver, stayer):
        eventually(lambda who=who: aside(running_house.settled, who))
    eventually(lambda: not waiting(running_house))
    with seat_taken(running_house, guest("wide")):
        for page, words in ((first, "You are next in line"), (second, "You are 2nd in line")):
            page.say("let me in")
            expect(page.answer.get_by_text(words).first).to_be_visible(timeout=PATIENCE)
        first.stop()
        expect(second.answer.get_by_text("You are next in line").first).to_be_visible(timeout=PATIENCE)
        second.shot("moved-up")
        second.stop()


@ONE_WAY
@pytest.mark.parametrize(
    ("accident", "written", "sentence"),
    [
        (
            {"status": 500},
            [],
            r"The model answered with an error \(code 500\)\. Try again, or tell the administrator\.",
        ),
        ({"cut_after": 3, "n": 9}, ["word0 word1 word2"], r"The answer broke off before its end\. Try again\."),
        ({"error_after": 3, "n": 9}, ["word0 word1 word2"], r"The answer broke off before its end\. Try again\."),
    ],
    ids=["before", "cut", "error"],
)
def test_an_upstream_error_is_one_sentence(
    open_page: OpenPage, guest: MakeGuest, accident: dict[str, Any], written: list[str], sentence: str
) -> None:
    """What was written stays, with one sentence below it, also after a reload."""
    page = open_page()
    page.enter(guest("wide"))
    page.choose("assistants.scripted")
    page.say(script(**accident))
    for again in (False, True):
        if again:
            page.page.reload()
        *text, box = [line for line in page.read().splitlines() if line.strip()]
        assert text == written
        assert re.fullmatch(sentence, box)


@ONE_WAY
def test_usage_that_we_counted_is_shown(
    running_house: Inn, open_page: OpenPage, guest: MakeGuest, upstream: ScriptedUpstream
) -> None:
    """An upstream that counts nothing: the page shows our numbers, and the ledger says that they are estimated."""
    wide = guest("wide")
    page = open_page()
    page.enter(wide)
    page.choose("assistants.scripted")
    page.say(script(n=9, usage=False))
    page.read()
    usage = page.usage()
    assert usage["prompt_tokens"] > 0
    assert usage["completion_tokens"] > 0
    turn = next(row for row, _ in both_books(running_house, upstream, wide) if row["kind"] == "turn")
    assert turn["estimated"]


@ONE_WAY
def test_json_comes_in_one_piece(open_page: OpenPage, guest: MakeGuest) -> None:
    """The first that a person sees of a JSON answer is all of it."""
    page = open_page()
    page.enter(guest("wide"))
    page.choose("assistants.scripted-json")
    page.say(script(text='{"a": 12345}', interval_ms=50))
    assert page.read_on() == '{"a": 12345}'
    assert page.read() == '{"a": 12345}'


@ONE_WAY
def test_a_one_shot_assistant_hears_the_last_message_only(
    running_house: Inn, open_page: OpenPage, guest: MakeGuest, upstream: ScriptedUpstream
) -> None:
    """In a chat of two messages the second goes upstream alone, below the assistant's prompt."""
    wide = guest("wide")
    page = open_page()
    page.enter(wide)
    page.choose("assistants.scripted-once")
    for text in ("the first message", "the second message"):
        page.say(text)
        page.read()
        page.rest()
    turns = [call for row, call in both_books(running_house, upstream, wide) if row["kind"] == "turn"]
    assert turns[-1].body["messages"] == [
        {"role": "system", "content": "You hear one message."},
        {"role": "user", "content": "the second message"},
    ]


@ONE_WAY
def test_a_title_is_a_task_and_no_request(
    running_house: Inn, open_page: OpenPage, guest: MakeGuest, upstream: ScriptedUpstream
) -> None:
    """The title that the model gave stands above the chat; its call is a task that costs tokens only."""
    wide = guest("wide")
    page = open_page()
    page.enter(wide)
    page.choose("assistants.scripted")
    page.say(script(task={"text": '{"title": "Soup of the day"}'}))
    expect(page.title()).to_have_text("Soup of the day", timeout=PATIENCE)
    page.rest()
    rows = [row for row, _ in both_books(running_house, upstream, wide)]
    assert sorted((row["kind"], row["counted"]) for row in rows) == [("task", 0)] * 3 + [("turn", 1)]
    assert {row["chat_id"] for row in rows} == {page.page.url.rsplit("/", 1)[-1]}


@ONE_WAY
def test_nothing_is_offered_that_does_not_work_here(open_page: OpenPage, guest: MakeGuest) -> None:
    """No microphone, call, web search, picture or code button; behind the plus sign is what can be attached."""
    page = open_page()
    page.enter(guest("free"))
    assert page.controls() == {"input-menu-button", "model-selector-model-button", "send-message-button"}
    usable = {entry for entry, usable in page.menu().items() if usable}
    attached = {"Upload Files", "Attach Files", "Attach Notes", "Attach Knowledge"}
    assert attached <= usable
    assert usable <= attached | {"Compare text", "Reference Chats"}
