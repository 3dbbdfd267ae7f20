"""The line in front of a provider with one seat, as guests and operators see it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.browser_chat import BrowserChat, browser_chat
from tests.e2e.inn import Guest, Inn, events, script
from tests.upstream import ScriptedUpstream

pytestmark = pytest.mark.e2e

MODEL = "assistants.scripted-queued"
IN_LINE = re.compile(r"You are (next|\d+(st|nd|rd|th)) in line(, (about \d+ \w+|less than 10 seconds))?\.")

MakeGuest = Callable[..., Guest]
Eventually = Callable[..., Any]


@contextmanager
def seat_taken(inn: Inn, guest: Guest) -> Iterator[None]:
    """Within, an API client's answer takes the only seat."""
    answer = inn.chat(guest, MODEL, script(n=3000, interval_ms=20), stream=True)
    told = events(answer)  # kept: a forgotten generator would close the connection
    try:
        next(iter(told))
        yield
    finally:
        answer.close()


def lines_shown(chat: BrowserChat) -> list[str]:
    """The status lines that the page was told, the newest last; an empty one takes the line away."""
    told = [data for _, kind, data in list(chat.events) if kind == "status"]
    return ["" if data.get("hidden") else data["description"] for data in told]


def waiting(inn: Inn) -> list[dict[str, Any]]:
    """Who waits, as `cli queue --json` tells it."""
    words = (sys.executable, "cli.py", "queue", "--json", "--house", str(inn.house.directory))
    done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    return next(line["waiting"] for line in json.loads(done.stdout) if line["provider"] == "narrow")


def test_a_waiting_guest_reads_a_line_that_becomes_the_answer(running_house: Inn, guest: MakeGuest) -> None:
    """While the seat is taken the page shows the place in the line; with the answer the line goes away."""
    with browser_chat(running_house, guest(), MODEL) as chat:
        with seat_taken(running_house, guest()):
            question = chat.ask(script(n=3))
            chat.until(lambda: lines_shown(chat), "no status line came")
        chat.until(lambda: chat.finished(question), "the answer did not end")
    shown = lines_shown(chat)
    assert IN_LINE.fullmatch(shown[0]), shown
    assert shown[-1] == ""
    assert chat.answer(question) == "word0 word1 word2 "


def test_the_line_speaks_the_guests_language(running_house: Inn, guest: MakeGuest) -> None:
    """A Ukrainian page reads Ukrainian."""
    with (
        browser_chat(running_house, guest(), MODEL, language="uk-UA") as chat,
        seat_taken(running_house, guest()),
    ):
        chat.ask("Привіт")
        chat.until(
            lambda: any("місце в черзі" in line or "черга" in line for line in lines_shown(chat)),
            "no Ukrainian line came",
        )
        chat.stop()


def test_stop_while_waiting_frees_the_place(
    running_house: Inn, guest: MakeGuest, upstream: ScriptedUpstream, eventually: Eventually
) -> None:
    """The next in line moves up at once, no call was made for the one who left, and nothing stays held."""
    leaver, stayer = guest(), guest()
    with seat_taken(running_house, guest()):
        before = len(upstream.calls)
        with browser_chat(running_house, leaver, MODEL) as first, browser_chat(running_house, stayer, MODEL) as second:
            question = first.ask("let me in")
            first.until(lambda: lines_shown(first), "the first did not wait")
            second.ask("me too")
            second.until(lambda: lines_shown(second), "the second did not wait")
            behind = eventually(lambda: place(waiting(running_house), stayer))
            first.stop()
            first.until(lambda: first.stopped(question) or first.finished(question), "it was not stopped")
            # Open WebUI goes on asking for the chat's title: that one waits on.
            eventually(lambda: len([row for row in waiting(running_house) if row["user"] == leaver.email]) <= 1)
            assert place(waiting(running_house), stayer) < behind
            second.stop()
        assert len(upstream.calls) == before
    rows = eventually(lambda: running_house.settled(leaver))
    assert {row["kind"] for row in rows} <= {"task"}
    eventually(lambda: running_house.windows(leaver)["tokens", "total"]["held"] == 0)


def place(line: list[dict[str, Any]], who: Guest) -> int:
    """The last place of somebody's calls in the line, 0 when there is none."""
    return max((row["position"] for row in line if row["user"] == who.email), default=0)


def test_an_api_client_waits_with_comments(running_house: Inn, guest: MakeGuest, eventually: Eventually) -> None:
    """A stream that waits is kept alive by comments, and then is the answer, event by event."""
    with seat_taken(running_house, guest()):
        answer = running_house.chat(guest(), MODEL, script(n=2), stream=True)
        lines = answer.iter_lines()
        assert next(line for line in lines if line).startswith(b": queue position=1")
    assert b"".join(lines).endswith(b"data: [DONE]")
