"""Traces in one SQLite file: the newest are kept, the oldest give way."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from devstack.spans import Span, whole

KEPT = 20_000  # traces

TABLES = """
CREATE TABLE IF NOT EXISTS traces
    (seq INTEGER PRIMARY KEY, id TEXT UNIQUE, at TEXT, user TEXT, session TEXT, name TEXT, said TEXT);
CREATE INDEX IF NOT EXISTS traces_by_time ON traces (at DESC);
CREATE TABLE IF NOT EXISTS observations (id TEXT, trace TEXT, at TEXT, said TEXT, PRIMARY KEY (trace, id));
CREATE TABLE IF NOT EXISTS scores (id TEXT PRIMARY KEY, trace TEXT, said TEXT);
CREATE INDEX IF NOT EXISTS scores_by_trace ON scores (trace);
"""

UPSERT = """
INSERT INTO traces (id, at, user, session, name, said) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET
    at = excluded.at, user = excluded.user, session = excluded.session, name = excluded.name, said = excluded.said
"""


class TraceStore:
    """The book of traces. Safe to use from several threads; spans of one trace may come in any order."""

    def __init__(self, file: Path, kept: int = KEPT) -> None:
        self.kept = kept
        self._lock = threading.Lock()
        self._book = sqlite3.connect(file, check_same_thread=False)
        self._book.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;" + TABLES)
        file.chmod(0o600)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._book.close()

    def add_spans(self, spans: Iterable[Span]) -> None:
        """Add spans; one that came before replaces its former self. Then forget traces beyond the newest."""
        with self._lock, self._book as book:
            for span in spans:
                self._add(book, span)
            oldest = "SELECT seq FROM traces ORDER BY seq DESC LIMIT 1 OFFSET ?"
            if last := book.execute(oldest, (self.kept,)).fetchone():
                gone = "(SELECT id FROM traces WHERE seq <= ?)"
                book.execute(f"DELETE FROM observations WHERE trace IN {gone}", last)
                book.execute(f"DELETE FROM scores WHERE trace IN {gone}", last)
                book.execute("DELETE FROM traces WHERE seq <= ?", last)

    def _add(self, book: sqlite3.Connection, span: Span) -> None:
        id, at = span.observation["traceId"], span.observation["startTime"]
        known = book.execute("SELECT at, said FROM traces WHERE id = ?", (id,)).fetchone()
        before: dict[str, Any] = json.loads(known[1]) if known else {}
        said = {**before, **span.trace}
        if "metadata" in said:
            said["metadata"] = {**before.get("metadata", {}), **span.trace.get("metadata", {})}
        first = min(at, known[0]) if known else at
        book.execute(
            UPSERT,
            (id, first, said.get("userId"), said.get("sessionId"), said.get("name"), json.dumps(said)),
        )
        book.execute(
            "INSERT OR REPLACE INTO observations (id, trace, at, said) VALUES (?, ?, ?, ?)",
            (span.observation["id"], id, at, json.dumps(span.observation)),
        )

    def add_score(self, score: dict[str, Any]) -> None:
        """Add a score; one with the same id replaces the former."""
        with self._lock, self._book as book:
            book.execute(
                "INSERT OR REPLACE INTO scores (id, trace, said) VALUES (?, ?, ?)",
                (score["id"], score.get("traceId"), json.dumps(score)),
            )

    def trace(self, id: str) -> dict[str, Any] | None:
        """One trace with its observations and scores in full; None when there is none."""
        with self._lock:
            found = self._book.execute("SELECT id, said FROM traces WHERE id = ?", (id,)).fetchone()
            return self._whole(*found) if found else None

    def traces(self, wanted: dict[str, str], page: int, limit: int) -> tuple[list[dict[str, Any]], int]:
        """A page of traces, the newest first, with the ids of their observations and scores; and how many there are
        in all. `wanted`: the value of the columns user, session or name."""
        where = " AND ".join(f"{column} = ?" for column in wanted) or "1"
        with self._lock:
            total = self._book.execute(f"SELECT count(*) FROM traces WHERE {where}", (*wanted.values(),)).fetchone()[0]
            rows = self._book.execute(
                f"SELECT id, said FROM traces WHERE {where} ORDER BY at DESC, seq DESC LIMIT ? OFFSET ?",
                (*wanted.values(), limit, (page - 1) * limit),
            ).fetchall()
            shown = [self._whole(*row) for row in rows]
        for trace in shown:
            for part in ("observations", "scores"):
                trace[part] = [one["id"] for one in trace[part]]
        return shown, total

    def _whole(self, id: str, said: str) -> dict[str, Any]:
        spans = self._book.execute("SELECT said FROM observations WHERE trace = ? ORDER BY at, id", (id,))
        scores = self._book.execute("SELECT said FROM scores WHERE trace = ? ORDER BY id", (id,))
        return whole(
            id, json.loads(said), [json.loads(row[0]) for row in spans], [json.loads(row[0]) for row in scores]
        )
