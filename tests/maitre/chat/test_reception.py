"""The reception: who is served how."""

from __future__ import annotations

from dataclasses import replace

import pytest

from maitre.accounts.account import Account
from maitre.chat.message import Guest
from maitre.errors import Forbidden, StoreDown
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


async def test_a_suspended_account_is_refused_also_when_nobody_can_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """An account that was known when it was suspended is not served unchecked while Postgres is down."""
    kitchen, guest = Kitchen(), Guest("u1", "a@x.io", "A")
    kitchen.registry.offer(replace(FREE, fail="open"))
    reception = kitchen.turns.reception
    await reception.arrive(guest)
    kitchen.registry.suspended.add("u1")
    for welcome in (reception.arrive, reception.welcome):
        with pytest.raises(Forbidden) as refused:
            await welcome(guest)
        assert refused.value.key == "suspended"

    async def down(*_: str) -> None:
        raise StoreDown("Postgres does not answer.")

    monkeypatch.setattr(kitchen.registry, "arrive", down)
    with pytest.raises(StoreDown):
        await reception.arrive(guest)
