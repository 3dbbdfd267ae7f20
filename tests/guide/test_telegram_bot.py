"""The program of docs/guides/telegram-bot.md, with a stand-in for Telegram."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.api.conftest import Client
from tests.engine.answers import script
from tests.guide.conftest import Desk
from tests.guide.running import running
from tests.guide.telegram import TOKEN, Telegram, running_telegram

PAGE = "guides/telegram-bot.md"
OLHA, PETRO = 42, 43


@contextmanager
def bot(desk: Desk, client: Client) -> Iterator[Telegram]:
    """The bot runs; what Telegram sees of it."""
    with (
        running_telegram() as (telegram, url),
        running(desk, client, PAGE, "bot.py", TELEGRAM_URL=url, TELEGRAM_TOKEN=TOKEN),
    ):
        yield telegram


def test_a_chat_has_a_session(reader: Client, desk: Desk, eventually: Callable[..., Any]) -> None:
    """The bot knows what was said to it in a chat, and nothing of the others; messages without text are passed over."""
    with bot(desk, reader) as telegram:
        telegram.says(OLHA, text="/start")
        telegram.says(OLHA, photo=[])
        telegram.says(OLHA, text="My name is Olha.")
        telegram.says(OLHA, text="What is my name?")
        telegram.says(PETRO, text="What is my name?")
        eventually(lambda: telegram.texts(PETRO), "Petro reads no answer")
        assert telegram.texts(OLHA) == ["Ask me something.", "A maître d’ welcomes the guests.", "Your name is Olha."]
        assert telegram.texts(PETRO) == ["I do not know it."]


def test_a_long_answer_is_several_messages(reader: Client, desk: Desk, eventually: Callable[..., Any]) -> None:
    """Whole, and in order, though Telegram asks to wait in between."""
    with bot(desk, reader) as telegram:
        telegram.busy = 1
        telegram.says(OLHA, text=script(n=1000))
        eventually(lambda: len(telegram.texts(OLHA)) == 2, "there are not two messages")
        assert "".join(telegram.texts(OLHA)) == "".join(f"word{number} " for number in range(1000))


def test_a_refusal_is_a_sentence_to_the_guest(poor: Client, desk: Desk, eventually: Callable[..., Any]) -> None:
    """And the bot goes on."""
    with bot(desk, poor) as telegram:
        telegram.says(OLHA, text="Hello")
        telegram.says(OLHA, text="Hello")
        eventually(lambda: len(telegram.texts(OLHA)) == 2, "there are not two messages")
        assert telegram.texts(OLHA)[1].startswith("The limit of this API key is used up")


def test_a_guest_reads_nothing_of_a_wrong_key(reader: Client, desk: Desk, eventually: Callable[..., Any]) -> None:
    """That is the operator's matter."""
    with bot(desk, Client(reader.hall, reader.guest, "mtr-wrong")) as telegram:
        telegram.says(OLHA, text="Hello")
        eventually(lambda: telegram.sent, "nothing is sent")
        assert telegram.texts(OLHA) == ["I am not set up well. Please tell whoever runs me."]
