"""Every window by its table of cases (tests/cases/windows.yaml), on the twin and on Valkey, for a guest and for the
house."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from maitre.billing.row import Hold, Totals
from maitre.quota.reservation import Ask, Denied, Granted, refusal
from maitre.quota.store import QuotaStore
from maitre.quota.subject import HOUSE, Subject
from maitre.quota.window import WINDOWS, Window, second_field
from tests.contract.house import GUEST, NOON, NOTHING, WHEN, hold, live, loaded, wish

pytestmark = pytest.mark.contract
TABLE: dict[str, list[dict[str, Any]]] = yaml.safe_load(
    (Path(__file__).parents[1] / "cases" / "windows.yaml").read_text("utf-8")
)
CASES = [
    pytest.param(name, case, id=f"{name}-{' '.join(f'{key}={case[key]}' for key in case)}")
    for name, cases in TABLE.items()
    for case in cases
]


def test_every_window_has_cases() -> None:
    """A new window without a table is not finished; each grants here and refuses there."""
    assert set(TABLE) == set(WINDOWS)
    for cases in TABLE.values():
        assert {"grants", "says"} <= {word for case in cases for word in case}


def seen(window: Window, used: int, held: int) -> Totals:
    """What the ledger says of a subject of whose window so much is used and held."""
    minute = window.span == "minute" and window.resource == "requests"
    field = WHEN.field(window)
    if window == WINDOWS["tokens_per_minute"]:
        field = second_field(NOON - timedelta(seconds=40))
    holds: dict[str, Hold] = {}
    if held:
        sizes = {"tokens": [hold(held)], "money": [hold(money=held)], "calls": [hold()] * held}[window.resource]
        holds = {f"other-{number}": size for number, size in enumerate(sizes)}
    return Totals(
        fields={} if minute else {field: used},
        recent={f"r{number}": NOON - timedelta(seconds=40) for number in range(used)} if minute else {},
        turns={},
        holds=holds,
    )


def asked(name: str, case: dict[str, Any], subject: Subject) -> Ask:
    """The table's call, under one limit."""
    limits = {name: case["limit"]}
    return wish(
        limits=limits if subject == GUEST else None,
        wider=None if subject == GUEST else {subject: limits},
        prompt=40,
        answer=60,
        least=10,
        prices=(0, 0) if case.get("free") else (10, 100),
        kind=case.get("kind", "turn"),
    )


def wider(key: str, resets: str | None) -> str:
    """The sentence about the house where a guest's own would be this one."""
    if key in ("calls_now", "tokens_held") and resets:
        return "busy_house"
    return "full_house" if resets else "spent_house"


@pytest.mark.parametrize("subject", [GUEST, HOUSE], ids=["guest", "house"])
@pytest.mark.parametrize(("name", "case"), CASES)
async def test_a_window(store: QuotaStore, subject: Subject, name: str, case: dict[str, Any]) -> None:
    """It grants what there is room for and warns from four fifths on; or it refuses, changes nothing, and says which
    sentence, when it resets and what is left."""
    await loaded(store, seen(WINDOWS[name], case.get("used", 0), case.get("held", 0)), subject)
    if subject != GUEST:
        await loaded(store, NOTHING, GUEST)
    before = await live(store, subject)
    call = asked(name, case, subject)
    answer = await store.reserve(call)
    if "grants" in case:
        near = (0,) if case.get("near") else ()
        assert answer == Granted(call.kind == "turn", False, case["grants"], near)
        held = (await live(store, subject)).held
        assert held["tokens"] - before.held["tokens"] == 40 + case["grants"]
        assert held["money"] - before.held["money"] == call.money(case["grants"])
        assert await store.release(call.hold_id, call.subjects, WHEN.fields("requests"))
        after = await live(store, subject)
        tasks = {field: n for field, n in after.fields.items() if "tasks" not in field}
        assert (tasks, after.minute, after.held) == (before.fields, before.minute, before.held)
        return
    assert isinstance(answer, Denied)
    refused = refusal("Plan", call, answer)
    resets = case["resets"]
    assert refused.key == (case["says"] if subject == GUEST else wider(case["says"], resets))
    assert refused.resets_at == (None if resets is None else datetime.fromisoformat(resets))
    assert refused.values["subject"] == subject.id
    if "left" in case:
        assert refused.values["left"] == case["left"]
    assert await live(store, subject) == before
