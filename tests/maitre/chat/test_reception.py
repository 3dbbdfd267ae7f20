"""The reception: who is served how."""

from __future__ import annotations

from dataclasses import replace

from maitre.accounts.account import Account
from maitre.quota.subject import Subject
from tests.maitre.chat.kitchen import FREE, Kitchen


async def test_only_accounts_whose_plan_fails_open_are_served_unchecked() -> None:
    """By their own plan, or by the house's default one."""
    kitchen = Kitchen()
    kitchen.registry.offer(FREE, replace(FREE, slug="open", fail="open"))
    await kitchen.turns.reception.refresh()
    accounts = [Account("u1", "", ""), Account("u2", "", "", plan="open"), Account("u3", "", "", plan="gone")]
    assert kitchen.turns.reception.unchecked(accounts) == [Subject("account", "u2")]
    kitchen.registry.offer(replace(FREE, fail="open"))
    await kitchen.turns.reception.refresh()
    assert len(kitchen.turns.reception.unchecked(accounts)) == 3
