"""Plans in Maitre's database."""

from __future__ import annotations

from collections.abc import Mapping

from maitre.quota.plan import Plan
from provisioning.change import Change, fields_that_differ
from provisioning.world import World


def diff(wanted: Mapping[str, Plan], live: Mapping[str, Plan]) -> list[Change]:
    """Make, change and remove plans until the database has exactly the house's."""
    changes = []
    for slug, plan in wanted.items():
        if slug not in live:
            changes.append(Change("plans", "create", slug, f"Put the plan {slug} into Maitre's database.", plan))
        elif live[slug] != plan:
            what = fields_that_differ(live[slug], plan)
            changes.append(Change("plans", "update", slug, f"Change the plan {slug}: {what}.", plan))
    for slug in sorted(set(live) - set(wanted)):
        sentence = f"Remove the plan {slug}; its accounts fall back to the default plan."
        changes.append(Change("plans", "remove", slug, sentence))
    return changes


def apply(change: Change, world: World) -> None:
    """Carry one change out."""
    books = world.books
    books.do(books.books.drop_plan(change.key) if change.action == "remove" else books.books.put_plan(change.payload))
