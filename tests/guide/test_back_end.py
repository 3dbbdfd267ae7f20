"""The program of docs/guides/back-end.md."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import requests

from benchmarks.servers import free_port
from tests.api.conftest import Client
from tests.engine.answers import script
from tests.guide.conftest import Desk
from tests.guide.running import running

PAGE = "guides/back-end.md"


@contextmanager
def site(desk: Desk, client: Client, eventually: Callable[..., Any]) -> Iterator[str]:
    """The site's address; the back end listens."""
    url = f"http://127.0.0.1:{(port := free_port('back end'))}"

    def listens() -> bool:
        try:
            return requests.get(url, timeout=5).status_code == 501
        except requests.ConnectionError:
            return False

    with running(desk, client, PAGE, "back_end.py", str(port)):
        eventually(listens, "the back end does not listen")
        yield url


def ask(url: str, text: object, user: str = "olha") -> requests.Response:
    """A signed-in user's question."""
    return requests.post(f"{url}/ask", json={"text": text}, cookies={"user": user}, timeout=60)


def test_each_user_has_a_session(reader: Client, desk: Desk, eventually: Callable[..., Any]) -> None:
    """What one said is known when they ask again, and to nobody else."""
    with site(desk, reader, eventually) as url:
        assert ask(url, "My name is Olha.").status_code == 200
        assert ask(url, "What is my name?").text == "Your name is Olha."
        assert ask(url, "What is my name?", "petro").text == "I do not know it."


def test_who_is_not_signed_in_is_refused(reader: Client, desk: Desk, eventually: Callable[..., Any]) -> None:
    """And so is whoever asks nothing."""
    with site(desk, reader, eventually) as url:
        assert ask(url, "Hello", "").status_code == 401
        assert ask(url, "Hello", "../x").status_code == 401
        assert ask(url, "").status_code == 400
        assert requests.post(f"{url}/ask", data="{", cookies={"user": "olha"}, timeout=60).status_code == 400


def test_a_full_window_is_told_with_the_time_to_come_back(
    poor: Client, desk: Desk, eventually: Callable[..., Any]
) -> None:
    """Status, sentence and Retry-After reach the page."""
    with site(desk, poor, eventually) as url:
        assert ask(url, "Hello").status_code == 200
        refused = ask(url, "Hello")
        assert (refused.status_code, int(refused.headers["retry-after"]) > 0) == (429, True)
        assert refused.text.startswith("The limit of this API key is used up")


def test_the_line_is_told(reader: Client, desk: Desk, eventually: Callable[..., Any]) -> None:
    """While two others have the seats, the page reads its user's place; when they leave, the answer."""
    body = {"model": "general", "stream": True, "messages": [{"role": "user", "content": script(hang_after=1)}]}
    with site(desk, reader, eventually) as url:
        others = [reader.post("/v1/chat/completions", body, stream=True) for _ in range(2)]
        question = {"text": "Hello"}
        with requests.post(f"{url}/ask", json=question, cookies={"user": "olha"}, stream=True, timeout=60) as answer:
            lines = answer.iter_lines(chunk_size=1)
            assert next(lines).startswith(b"# queue position=1")
            for other in others:
                other.close()
            assert list(lines)[-1].decode() == "A maître d’ welcomes the guests."


def test_a_stream_that_breaks_says_so(reader: Client, desk: Desk, eventually: Callable[..., Any]) -> None:
    """What came before it stays."""
    with site(desk, reader, eventually) as url:
        told = ask(url, script(n=10, error_after=3)).text
        assert told.startswith("word0 word1 word2 \n# "), told


class Nowhere(Client):
    """A client of a gateway that is down."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{free_port('back end')}"


def test_a_gateway_that_is_down_is_told(reader: Client, desk: Desk, eventually: Callable[..., Any]) -> None:
    """In one sentence."""
    nowhere = Nowhere(reader.hall, reader.guest, reader.key)
    with site(desk, nowhere, eventually) as url:
        answer = ask(url, "Hello")
        assert (answer.status_code, answer.text) == (502, "The assistant cannot be reached. Try again later.")
