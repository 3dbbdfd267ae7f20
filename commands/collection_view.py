"""Collections, documents and jobs as tables for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.markup import escape
from rich.table import Column, Table

from commands.index_view import told
from maitre.settings import House
from provisioning.change import listed

STYLES = {"ready": "green", "failed": "red", "cancelled": "dim"}


def table(collections: Sequence[Mapping[str, Any]]) -> Table:
    """One line for each collection."""
    right = ("documents", "chunks")
    names = ("name", "title", "language", "documents", "chunks", "not ready", "owner", "readers")
    shown = _table(
        *(Column(name, justify="right" if name in right else "left", no_wrap=name == "name") for name in names)
    )
    for one in collections:
        shown.add_row(
            escape(one["name"]),
            escape(one["title"]),
            one["language"],
            str(one["documents"]),
            str(one["chunks"]),
            _unready(one),
            escape(one["owner"]["email"] or one["owner"]["user"] or "·"),
            escape(readers(one["readers"])),
        )
    return shown


def summary(one: Mapping[str, Any]) -> str:
    """A collection in some lines."""
    about = f"{one['title']} ({one['name']})" if one["title"] != one["name"] else one["name"]
    lines = [
        about,
        one["description"],
        f"{one['language']}, {one['model']} ({one['dimension']}), index {one['index']}",
        f"{told(one['documents'], 'document')}, {told(one['chunks'], 'chunk')}. {_unready(one)}".rstrip(),
        f"Owner: {one['owner']['email'] or one['owner']['user'] or 'nobody'}. Readers: {readers(one['readers'])}.",
    ]
    return "\n".join(line for line in lines if line)


def readers(those: Mapping[str, Any]) -> str:
    """Who may read besides the owner."""
    if those["everyone"]:
        return "everyone"
    every = [f"{kind.removesuffix('s')} {who}" for kind in ("users", "groups", "assistants") for who in those[kind]]
    return ", ".join(every) or "nobody else"


def _unready(one: Mapping[str, Any]) -> str:
    return listed(
        f"{count} {status}" for status, count in sorted(one["statuses"].items()) if status != "ready" and count
    )


def document_table(documents: Sequence[Mapping[str, Any]], house: House) -> Table:
    """One line for each document."""
    right = ("pages", "chunks", "KB")
    names = ("key", "title", "status", "pages", "chunks", "KB", "changed", "why")
    shown = _table(*(Column(name, justify="right" if name in right else "left") for name in names))
    for one in documents:
        shown.add_row(
            escape(one["key"]),
            escape(one["title"]),
            _status(one["status"]),
            str(one["pages"] or "·"),
            str(one["chunks"]),
            f"{one['size'] / 1000:.0f}",
            f"{datetime.fromisoformat(one['changed_at']).astimezone(house.zone):%d %b %H:%M}",
            escape(one["fault"]),
        )
    return shown


def jobs_table(jobs: Sequence[Mapping[str, Any]]) -> Table:
    """One line for each job."""
    shown = _table(*(Column(name) for name in ("job", "document", "status", "stage", "chunks", "attempts", "why")))
    for one in jobs:
        chunks = f"{one['done']} of {one['total']}" if one["total"] else "·"
        shown.add_row(
            escape(one["job"]),
            escape(one["key"]),
            _status(one["status"]),
            one["stage"] or "·",
            chunks,
            str(one["attempts"]),
            escape(one["fault"]),
        )
    return shown


def _status(status: str) -> str:
    return f"[{STYLES.get(status, 'yellow')}]{status}[/]"


def _table(*columns: Column) -> Table:
    return Table(*columns, box=None, pad_edge=False)
