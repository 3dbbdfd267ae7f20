"""A hall that is ready for its door."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from maitre.assistants.assistant import Assistant
from maitre.books import Books
from tests.engine.hall import Hall
from tests.engine.receivers import refusing
from tests.engine.small_house import ASSISTANTS, HOUSE, seed

H = TypeVar("H", bound=Hall)


@contextmanager
def seeded_hall(
    folder: Path, upstream: str, text: str = HOUSE, assistants: Mapping[str, str] = ASSISTANTS
) -> Iterator[Hall]:
    """A house over this upstream, its stores running and seeded; nobody takes its traces."""
    with seeded(folder, lambda house, traces: Hall(house, upstream, traces, text, assistants)) as hall:
        yield hall


@contextmanager
def seeded(folder: Path, make: Callable[[Path, str], H]) -> Iterator[H]:
    """The same with a hall of one's own kind, made of the house's folder and of where its traces go."""
    folder.chmod(0o755)  # Postgres may run as somebody else
    with refusing() as traces:
        hall = make(folder / "house", traces)
        try:
            hall.start("postgres", "valkey")
            hall.ask(lambda books: seed(books, hall.house))
            yield hall
        finally:
            hall.close()


@contextmanager
def serving(hall: Hall, *assistants: Assistant) -> Iterator[None]:
    """Within, the house has these assistants, too."""

    async def put(books: Books) -> None:
        for one in assistants:
            await books.put_assistant(one)

    async def drop(books: Books) -> None:
        for one in assistants:
            await books.drop_assistant(one.slug)

    hall.ask(put)
    yield
    hall.ask(drop)
