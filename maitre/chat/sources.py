"""The sources of a turn: the documents whose passages it was given, as its guest is told of them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from maitre.knowledge.passage import Passage
from maitre.knowledge.quoting import numbers

_PAGE = {"en": "p. {pages}", "uk": "с. {pages}", "ru": "с. {pages}"}


class Sources:
    """Grows during one turn; all its calls share it. Documents keep the numbers that the model knows them by."""

    def __init__(self) -> None:
        self._passages: list[Passage] = []
        self._fixed = False  # whether a number may be known to the guest, or to the model from a tool
        self._told = 0  # how many of the passages the guest was told of

    def numbered(self, passages: Sequence[Passage]) -> dict[str, int]:
        """The numbers of these passages' documents, were they given now."""
        return numbers([*self._passages, *passages] if self._fixed else passages)

    def give(self, passages: Sequence[Passage]) -> None:
        """These stand in the prompt of the call that is made now. Before anything was shown another model may have
        been given others."""
        if not self._fixed:
            self._passages = []
        known = {(one.collection, one.id) for one in self._passages}  # an id is unique in its collection
        self._passages += [one for one in passages if (one.collection, one.id) not in known]

    def find(self, passages: Sequence[Passage]) -> dict[str, int]:
        """A tool has found these; the numbers of all documents so far."""
        self._fixed = True
        self.give(passages)
        return numbers(self._passages)

    @property
    def untold(self) -> bool:
        """Whether there are any that the guest was not told of."""
        return self._told < len(self._passages)

    def news(self, language: str) -> list[dict[str, Any]]:
        """Events for Open WebUI, one for each document that the guest was not told of, or not with all its passages."""
        new, self._told = self._passages[self._told :], len(self._passages)
        self._fixed = self._fixed or bool(new)
        links = _links(self._passages)
        return [_event(group, links.get(group[0].document, ""), language) for group in _by_document(new)]

    def to_json(self) -> list[dict[str, Any]]:
        """All of them, as the API tells them."""
        self._fixed = True
        numbered = numbers(self._passages)
        return [_source(numbered[group[0].document], group) for group in _by_document(self._passages)]


def _by_document(passages: Sequence[Passage]) -> list[list[Passage]]:
    return [[one for one in passages if one.document == document] for document in numbers(passages)]


def _source(number: int, group: list[Passage]) -> dict[str, Any]:
    first = group[0]
    known = {"number": number, "title": first.title, "document": first.document, "collection": first.collection}
    passages = [_told(one) for one in group]
    return known | ({"url": first.url} if first.url else {}) | {"passages": passages}


def _told(passage: Passage) -> dict[str, Any]:
    places = {"page": passage.page, "heading": passage.heading}
    return {"id": passage.id, "text": passage.text, **{name: value for name, value in places.items() if value}}


def _links(passages: Sequence[Passage]) -> dict[str, str]:
    """The URL of each document that has one of its own."""
    found: dict[str, str] = {}
    for one in passages:
        if one.url.startswith(("http://", "https://")) and one.url not in found.values():
            found.setdefault(one.document, one.url)
    return found


def _event(group: list[Passage], link: str, language: str) -> dict[str, Any]:
    # Open WebUI tells documents apart by `metadata.source`, counts the [1] of an answer in the order in which those
    # came first, and makes a link of one that is a URL; `external` keeps our name on it. It counts pages from 0.
    name = _name(group, language)
    shared = {"source": link or group[0].document, "name": name}
    metadata = [
        {**shared, **({"external": True} if link else {}), **({"page": one.page - 1} if one.page else {})}
        for one in group
    ]
    source = {"id": shared["source"], "name": name} | ({"url": link} if link else {})
    return {"source": source, "document": [one.text for one in group], "metadata": metadata}


def _name(group: list[Passage], language: str) -> str:
    pages = sorted({one.page for one in group if one.page})
    title = group[0].title or group[0].document
    if not pages:
        return title
    return f"{title}, {_PAGE[language].format(pages=', '.join(map(str, pages)))}"
