"""The two ways to chunks, by their vectors and by their words, as statements that see one moment of the tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rag_service.chunk import Collection
from rag_service.store import words
from rag_service.store.asking import Asking, Statement
from rag_service.store.filters import Condition, joined
from rag_service.store.plan import EXACT, Exact, Indexed, Step, steps
from rag_service.store.tables import NO_DICTIONARY, Table
from rag_service.store.vectors import Packed

#: One row of an answer: collection, node id, document, text, metadata, node, embedding (empty unless asked for), score.
Row = tuple[int, str, str, str, dict[str, Any], str | None, bytes, float]

#: What a word in the text, in small print, and in the title or a heading counts (D, C, B, A).
WEIGHTS = "{0.6, 0.6, 0.6, 1}"

#: How many of its trigrams a misspelt word shares with the right one, at least.
LIKENESS = 0.5


@dataclass(frozen=True, slots=True)
class Legs:
    """Both ways through one table, with one condition."""

    table: Table
    where: Condition
    embeddings: bool = False  # whether rows bring theirs

    @property
    def _columns(self) -> str:
        return f"collection, node_id, document, text, metadata, node, {'embedding' if self.embeddings else repr('')}"

    def steps(
        self, collections: Sequence[int], indexes: dict[int, Indexed], limit: int, many: int | None = None
    ) -> Asking[list[Step]]:
        """How the nearest are to be found; what a filter leaves of large collections is counted for it, except of the
        one collection `many`, of which it is known to leave many."""
        left = {}
        if self.where:
            for one in collections:
                if one in indexes:
                    left[one] = EXACT + 1 if one == many else (yield from self._left(one))
        return steps(collections, indexes, left, limit)

    def dense(self, todo: Sequence[Step], embedding: bytes, limit: int) -> Asking[list[Row]]:
        """The nearest chunks, nearest first; scores are cosine similarities."""
        found: list[Row] = []
        for step in todo:
            rows = yield from self._step(step, embedding, limit)
            if not isinstance(step, Exact) and len(rows) < limit:  # what no index holds, such as a vector of zeros
                rows = yield from self._step(Exact((step.collection,)), embedding, limit)
            found += rows
        return sorted(found, key=lambda row: (-row[7], row[1]))[:limit]

    def few(self, collection: int, embedding: bytes, limit: int) -> Asking[list[Row] | None]:
        """The nearest chunks of a collection of which the condition leaves few; None: it leaves many. In one statement,
        because a count first would read the same rows twice."""
        sql = (
            "with left_over as materialized (select ctid as place, node_id, "
            f"(embedding <=> %s::{self.table.type}) + 0 as far from {self.table.name} "
            f"where collection = {collection:d} and {self.where.sql} limit {EXACT + 1}) "
            f"select {self._columns}, coalesce(nullif(1 - far, 'nan'), -1), (select count(*) from left_over) "
            "from (select place, far, node_id as name from left_over order by far, node_id limit %s) nearest "
            f"join {self.table.name} on ctid = place order by far, name"
        )
        found = yield Statement(sql, [Packed(embedding), *self.where.parameters, limit])
        return [row[:8] for row in found] if not found or found[0][8] <= EXACT else None

    def _left(self, collection: int) -> Asking[int]:
        return (
            yield from _number(
                f"select count(*) from (select 1 from {self.table.name} where collection = {collection:d} "
                f"and {self.where.sql} limit {EXACT + 1}) left_over",
                self.where.parameters,
            )
        )

    def _step(self, step: Step, embedding: bytes, limit: int) -> Asking[list[Row]]:
        near = f"embedding <=> %s::{self.table.type}"
        vector = Packed(embedding)
        score = f"coalesce(nullif(1 - ({near}), 'nan'), -1)"
        if isinstance(step, Exact):
            # `+ 0` keeps the planner from an index that a filter would empty; named, it is computed once for a row.
            sql = (
                "select collection, node_id, document, text, metadata, node, vector, "
                "coalesce(nullif(1 - far, 'nan'), -1) "
                f"from (select {self._columns} as vector, ({near}) + 0 as far from {self.table.name} "
                f"where collection = any(%s) and {self.where.sql} order by far, node_id limit %s) nearest"
            )
            return (yield Statement(sql, [vector, list(step.collections), *self.where.parameters, limit]))
        if step.settings:
            settings = ", ".join(["set_config(%s, %s, true)"] * len(step.settings))
            yield Statement(f"select {settings}", [part for setting in step.settings.items() for part in setting])
        sql = (  # the number stands in the text: a plan for any number could not use the partial index
            f"select {self._columns}, {score} from {self.table.name} where collection = {step.collection:d} "
            f"and {self.where.sql} order by {near} limit %s"
        )
        return (yield Statement(sql, [vector, *self.where.parameters, vector, limit]))

    def text(self, collections: Sequence[Collection], question: str, limit: int) -> Asking[list[Row]]:
        """The chunks whose words say most about the question, best first; those of several languages in one list.
        Scores are the part of the question that a chunk says: each of its words counts as it is rare."""
        languages = sorted({one.language for one in collections})
        found: list[Row] = []
        for language in languages:
            ids = [one.id for one in collections if one.language == language]
            found += yield from self._text(ids, language, question, limit)
        return sorted(found, key=lambda row: (-row[7], row[1]))[:limit]

    def _text(self, ids: list[int], language: str, question: str, limit: int) -> Asking[list[Row]]:
        question = question.replace("\0", " ")
        found = yield Statement("select tsvector_to_array(to_tsvector(%s::regconfig, %s))", [language, question])
        lexemes = found[0][0]
        dictionary = language != NO_DICTIONARY
        terms = yield from self._counted(ids, words.terms(lexemes, words.tokens(question), dictionary))
        like = [] if dictionary else words.missing(terms)
        chosen = words.sought(terms)
        rows = yield from self._ranked(ids, terms, chosen, like, limit)
        if len(rows) < limit and len(chosen) < len(terms):
            rows = yield from self._ranked(ids, terms, [term for term in terms if term.hits], like, limit)
        return rows

    def _counted(self, ids: list[int], terms: list[words.Term]) -> Asking[list[words.Term]]:
        if not terms:
            return []
        found = yield Statement(
            f"select place, (select count(*) from (select 1 from {self.table.name} where collection = any(%s) "
            f"and words @@ query limit {EXACT}) hits) "
            "from unnest(%s::text[]::tsquery[]) with ordinality as t(query, place)",
            [ids, [term.query for term in terms]],
        )
        hits = dict(found)
        return [words.Term(term.query, term.word, hits[place]) for place, term in enumerate(terms, 1)]

    def _ranked(
        self, ids: list[int], terms: list[words.Term], chosen: list[words.Term], like: list[str], limit: int
    ) -> Asking[list[Row]]:
        any_of = [Condition("words @@ %s::tsquery", (" | ".join(term.query for term in chosen),))] if chosen else []
        any_of += [Condition("(fuzzy and text %%> %s)", (word,)) for word in like]
        if not any_of:
            return []
        rows = yield from _number(
            f"select count(*) from (select 1 from {self.table.name} where collection = any(%s) limit {EXACT}) rows",
            [ids],
        )
        asked = (  # apart, so that the texts become queries once and not for every row
            "asked as materialized (select query, weight from unnest(%s::text[]::tsquery[], %s::float8[]) "
            "as t(query, weight))"
        )
        score = f"(select sum(weight * ts_rank('{WEIGHTS}', whole, query)) from asked)"
        there = words.rarest(terms)
        values: list[Any] = [[term.query for term in there], [words.weight(term.hits, rows) for term in there]]
        if like:
            yield Statement("select set_config('pg_trgm.word_similarity_threshold', %s, true)", [str(LIKENESS)])
            score = (
                f"coalesce({score}, 0) + (select sum(case when text %%> word "
                "then %s::float8 * word_similarity(word, text) else 0 end) from unnest(%s::text[]) as l(word))"
            )
            values += [words.weight(1, rows) / 2, like]
        everything = sum(words.weight(term.hits, rows) for term in terms) or 1.0
        reached = joined("or", any_of)
        sql = (
            f"with {asked} select {self._columns}, ({score})::float8 / %s::float8 as score from {self.table.name} "
            # unpacked once for a row, not once for each of the terms
            "cross join lateral (select words || ''::tsvector as whole offset 0) unpacked "
            f"where collection = any(%s) and {reached.sql} and {self.where.sql} order by score desc, node_id limit %s"
        )
        return (yield Statement(sql, [*values, everything, ids, *reached.parameters, *self.where.parameters, limit]))


def _number(sql: str, parameters: Sequence[Any]) -> Asking[int]:
    found = yield Statement(sql, parameters)
    return int(found[0][0])
