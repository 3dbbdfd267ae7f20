"""`cli seed`: bring Open WebUI and Maitre's database to what the house's files say. Twice is once."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from maitre.settings import House
from provisioning.apply import apply, verify
from provisioning.books import OpenBooks, opened
from provisioning.change import Change
from provisioning.gateway_http import Gateway
from provisioning.live import Live, read
from provisioning.logins import administrator_of, passwords_of, signed_in
from provisioning.openwebui_http import OpenWebUI
from provisioning.plan import plan_of
from provisioning.resources import groups
from provisioning.resources.connection import connection_of
from provisioning.resources.settings import file_embeddings
from provisioning.wanted import Wanted, wanted_of
from provisioning.world import Embed, World

Progress = Callable[[str], None]

#: Made first, and outside the plan's order, because nothing can be compared without tables.
TABLES = Change("database", "update", "tables", "Bring the tables of Maitre's database up to date.")

PATIENCE = 30.0  # seconds, until the Pipelines server or the gateway must serve what was seeded


def seed(house: House, *, dry_run: bool = False, progress: Progress | None = None) -> list[Change]:
    """Plan and, unless `dry_run`, carry out. The plan is the answer; changes with the action “skip” are notes.

    `progress` hears the sentence of every change once it is made. Raises HouseError with one sentence when a
    part does not answer, a password is wrong, or a change fails.
    """
    from maitre.books import open_books  # here, because it loads the database drivers

    passwords = passwords_of(house)
    connection = connection_of(house, house.endpoint(house.webui.connection))
    web = OpenWebUI(house.endpoint("open_webui"))
    signed_in(house, web, passwords)
    with opened(open_books(house)) as books:
        files = file_embeddings(house, house.endpoint("gateway")) if house.rag is not None else None
        return provision(wanted_of(house, connection, passwords, files), web, books, dry_run=dry_run, progress=progress)


def provision(
    wanted: Wanted,
    web: OpenWebUI,
    books: OpenBooks,
    *,
    dry_run: bool,
    progress: Progress | None = None,
    patience: float = PATIENCE,
) -> list[Change]:
    """The same with both sides open."""
    migrated = [] if dry_run else books.do(books.books.migrate())
    live = read(web, books, wanted.connection)
    tables = [TABLES] if migrated or not live.entries.tables else []
    changes = plan_of(wanted, live)
    if not dry_run:
        if tables and progress is not None:
            progress(TABLES.sentence)
        world = _world(web, books, wanted, live)
        apply(changes, world, wanted.connection, progress)
        verify(wanted.models, world, wanted.connection, patience)
    return [*tables, *changes]


def _world(web: OpenWebUI, books: OpenBooks, wanted: Wanted, live: Live) -> World:
    by_email = {email: user.id for email, user in live.users.items()}
    return World(
        web,
        books,
        user_ids=by_email,
        group_ids={key: group.id for key, group in groups.matched(wanted.groups, live.groups).items()},
        embedder=_embedder(wanted.house, by_email),
    )


def _embedder(house: House, user_ids: Mapping[str, str]) -> Embed | None:
    """Makes embeddings through the gateway, on the account of the house's administrator."""
    rag = house.rag
    if rag is None:
        return None

    def embed(texts: Mapping[str, str]) -> Mapping[str, list[float]]:
        gateway = Gateway(house.endpoint("gateway"), house.secret("rag_key"), rag.embedding)
        email, _ = administrator_of(house, passwords_of(house))
        vectors = gateway.embed([*texts.values()], rag.passage.input_type, user_ids[email])
        return dict(zip(texts, vectors, strict=True))

    return embed
