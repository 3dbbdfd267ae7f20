"""Assistants in Maitre's database. One whose file is gone is disabled, not removed: the ledger names it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from maitre.assistants.assistant import Assistant
from provisioning.change import Change, fields_that_differ
from provisioning.world import World


def diff(wanted: Mapping[str, Assistant], live: Mapping[str, Assistant]) -> list[Change]:
    """Make and change the house's assistants, and disable those that it no longer has."""
    changes = []
    for slug, assistant in wanted.items():
        if slug not in live:
            sentence = f"Put the assistant {slug} into Maitre's database."
            changes.append(Change("assistants", "create", slug, sentence, assistant))
        elif live[slug] != assistant:
            what = fields_that_differ(live[slug], assistant)
            changes.append(Change("assistants", "update", slug, f"Change the assistant {slug}: {what}.", assistant))
    for slug in sorted(set(live) - set(wanted)):
        if live[slug].enabled:
            sentence = f"Disable the assistant {slug}: its file is gone."
            changes.append(Change("assistants", "update", slug, sentence, replace(live[slug], enabled=False)))
    return changes


def apply(change: Change, world: World) -> None:
    """Carry one change out."""
    world.books.do(world.books.books.put_assistant(change.payload))
