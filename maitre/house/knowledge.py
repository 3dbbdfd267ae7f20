"""What `rag`, `knowledge` and the assistants say of one another. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from maitre.house.written import listed, mapping

#: Adds a problem for every name that is not among those that there are: where, the names, those, what they are.
Known = Callable[[str, Iterable[object], Iterable[object] | None, str], None]


def check_knowledge(
    house: Mapping[str, Any],
    fronts: Mapping[str, Mapping[str, Any]],
    models: Collection[str] | None,
    embedders: Collection[object],
    slugs: Iterable[str],
    known: Known,
    problems: list[str],
) -> None:
    """Add what is wrong. `embedders`: the models that make embeddings; `slugs`: the assistants'."""
    rag, collections = house.get("rag"), mapping(house.get("knowledge"))
    if mapping(house.get("memory")).get("relevant") and not isinstance(rag, dict):
        problems.append("maitre.yaml: memory.relevant: needs rag, which says how texts become embeddings")
    if isinstance(rag, dict):
        known("maitre.yaml: rag.embedding", [rag.get("embedding")], models, "model")
        if models is not None and rag.get("embedding") in models and rag["embedding"] not in embedders:
            problems.append(f"maitre.yaml: rag.embedding: “{rag['embedding']}” makes no embeddings (embedding: true)")
        answers = [rag["answer_model"]] if rag.get("answer_model") is not None else []
        known("maitre.yaml: rag.answer_model", answers, models, "model")
        if answers and answers[0] in embedders:
            problems.append(f"maitre.yaml: rag.answer_model: “{answers[0]}” makes embeddings and cannot chat")
    elif collections:
        problems.append("maitre.yaml: knowledge: needs rag, which says how texts become embeddings")
    emails = [str(mapping(user).get("email") or "").lower() for user in listed(house.get("users"))]
    for name, section in collections.items():
        where, written = f"maitre.yaml: knowledge.{name}", mapping(section)
        if isinstance(written.get("owner"), str):
            known(f"{where}.owner", [written["owner"].lower()], emails, "user")
        readers = mapping(written.get("readers"))
        known(f"{where}.readers.groups", listed(readers.get("groups")), mapping(house.get("groups")), "group")
        known(f"{where}.readers.assistants", listed(readers.get("assistants")), slugs, "assistant")
    for file, front in fronts.items():
        if front.get("similar") is not None and not isinstance(rag, dict):
            problems.append(f"{file}: similar: the house makes no embeddings (rag in maitre.yaml)")
        if mapping(front.get("memory")).get("relevant") and not isinstance(rag, dict):
            problems.append(f"{file}: memory.relevant: the house makes no embeddings (rag in maitre.yaml)")
        wish = front.get("knowledge")
        if wish is not None and not isinstance(rag, dict):
            problems.append(f"{file}: knowledge: the house has none (rag in maitre.yaml)")
            continue
        wanted = listed(wish) or listed(mapping(wish).get("collections"))
        known(f"{file}: knowledge", wanted, collections, "collection")
