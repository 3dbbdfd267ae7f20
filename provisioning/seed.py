"""`cli seed`: bring Open WebUI and Maitre's database to what the house's files say. Twice is once."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from maitre.settings import House
from provisioning import indexing
from provisioning.apply import apply, verify
from provisioning.books import OpenBooks, opened
from provisioning.change import Change
from provisioning.gateway_http import Gateway
from provisioning.live import Live, read
from provisioning.logins import administrator_of, passwords_of, signed_in
from provisioning.openwebui_http import OpenWebUI
from provisioning.plan import plan_of
from provisioning.rag_http import Behalf, RagService
from provisioning.resources import collections, groups
from provisioning.resources.connection import connection_of
from provisioning.resources.settings import file_embeddings
from provisioning.wanted import Wanted, wanted_of
from provisioning.world import Embed, World

Progress = Callable[[str], None]

#: Made first, and outside the plan's order, because nothing can be compared without tables.
TABLES = Change("database", "update", "tables", "Bring the tables of Maitre's database up to date.")

PATIENCE = (
    30.0  # seconds: until the doors must serve what was seeded, and in which a worker must get on with a document
)


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
        wanted = wanted_of(house, connection, passwords, files)
        rag = _rag(house, administrator_of(house, passwords)[0]) if wanted.collections else None
        return provision(wanted, web, books, rag, dry_run=dry_run, progress=progress)


def _rag(house: House, administrator: str) -> RagService:
    return RagService(
        house.endpoint("rag"), house.secret("rag_key"), Behalf(administrator, administrator, operator=True)
    )


def provision(
    wanted: Wanted,
    web: OpenWebUI,
    books: OpenBooks,
    rag: RagService | None = None,
    *,
    dry_run: bool,
    progress: Progress | None = None,
    patience: float = PATIENCE,
) -> list[Change]:
    """The same with both sides open, and the RAG service of a house with collections."""
    migrated = [] if dry_run else books.do(books.books.migrate())
    live = read(web, books, wanted.connection, rag, wanted.collections)
    tables = [TABLES] if migrated or not live.entries.tables else []
    changes = plan_of(wanted, live)
    if not dry_run:
        if tables and progress is not None:
            progress(TABLES.sentence)
        world = _world(web, books, rag, wanted, live)
        apply(changes, world, wanted.connection, progress)
        verify(wanted.models, world, wanted.connection, patience)
        changes += _indexed(world, patience, progress)
    return [*tables, *changes]


def _indexed(world: World, patience: float, progress: Progress | None) -> list[Change]:
    """Wait until the uploaded documents can be found; notes about those that cannot."""
    if world.rag is None or not world.uploads:
        return []
    outcomes = [outcome for _, outcome in world.uploads]
    indexing.wait(world.rag, outcomes, patience, lambda _: None)
    ready = sum(one.status == "ready" for one in outcomes)
    if progress is not None and ready:
        progress("1 document can be found." if ready == 1 else f"{ready} documents can be found.")
    return collections.unfinished(world.uploads)


def _world(web: OpenWebUI, books: OpenBooks, rag: RagService | None, wanted: Wanted, live: Live) -> World:
    user_ids = {email: user.id for email, user in live.users.items()}
    if rag is not None:  # by the id that the gateway knows, now that it is known here
        email = rag.behalf.email
        rag = rag.speaking_for(Behalf(user_ids.get(email, email), email, operator=True))
    return World(
        web,
        books,
        rag=rag,
        user_ids=user_ids,
        group_ids={key: group.id for key, group in groups.matched(wanted.groups, live.groups).items()},
        embedder=_embedder(wanted.house, user_ids),
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
