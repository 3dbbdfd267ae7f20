"""What assistants say of themselves, as embeddings in Maitre's database, for the routers that compare questions."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from maitre.assistants.assistant import Assistant
from maitre.chat.resemblance import texts_of
from maitre.routing.similar import mark
from maitre.settings import House
from provisioning.change import Change
from provisioning.world import World


def wanted(house: House) -> dict[str, str]:
    """The texts of all assistants that a router may choose by similarity, by their marks."""
    if house.rag is None:
        return {}
    form, model = house.rag.passage, house.rag.embedding
    return {mark(text, model): form.prefix + text for one in _compared(house.assistants) for text in texts_of(one)}


def _compared(assistants: Mapping[str, Assistant]) -> list[Assistant]:
    names = {
        name
        for one in assistants.values()
        if one.enabled and one.routing is not None and one.routing.similar is not None
        for name in one.routing.similar.assistants
    }
    return [assistants[name] for name in sorted(names) if name in assistants]


def diff(wanted: Mapping[str, str], live: Collection[str]) -> list[Change]:
    """Embed what is new, and forget what nobody says any more."""
    new = {one: text for one, text in wanted.items() if one not in live}
    gone = set(live) - set(wanted)
    changes = []
    if new:
        sentence = f"Embed {_texts(len(new))} of the assistants' own, for routing by similarity."
        changes.append(Change("likenesses", "create", "texts", sentence, new))
    if gone:
        sentence = f"Forget the embeddings of {_texts(len(gone))} that no assistant has any more."
        changes.append(Change("likenesses", "remove", "texts", sentence, tuple(wanted)))
    return changes


def _texts(count: int) -> str:
    return "1 text" if count == 1 else f"{count} texts"


def apply(change: Change, world: World) -> None:
    """Carry one change out."""
    if change.action == "remove":
        world.books.do(world.books.books.keep_likenesses(change.payload))
        return
    assert world.embedder is not None, "a house with likenesses makes embeddings"
    world.books.do(world.books.books.put_likenesses(world.embedder(change.payload)))
