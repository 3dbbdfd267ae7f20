"""What a call asks the windows for: its subjects, all limits that they have, and the size of its hold. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from maitre.quota.plan import Plan
from maitre.quota.reservation import Ask, Limit, limits_of
from maitre.quota.subject import Subject
from maitre.quota.window import BALANCE, Periods, periods


@dataclass(frozen=True, slots=True)
class Size:
    """A call's size in tokens, and its prices per token in 10⁻⁹ of the currency, rounded up.

    `least` is the shortest answer that it can be cut to when a window has room for no more.
    """

    prompt: int
    completion: int
    least: int
    prompt_price: int = 0
    completion_price: int = 0


def ask(
    plan: Plan,
    credit: int,
    budgets: Mapping[Subject, Mapping[str, int]],
    subjects: tuple[Subject, ...],
    size: Size,
    *,
    hold_id: str,
    turn_id: str,
    kind: str,
    now: datetime,
    expires_at: datetime,
    zone: ZoneInfo,
) -> Ask:
    """The Ask of a call. `subjects` are all of the call's, the account first; `budgets` the limits of the wider
    ones. Only subjects with limits take part, and the account, whose requests and tasks are always counted."""
    when = periods(now, zone)
    account, *wider = subjects
    limits = account_limits(plan, credit, account, when)
    asked = [account]
    for subject in wider:
        if subject in budgets:
            limits += limits_of(subject, budgets[subject], when)
            asked.append(subject)
    return Ask(
        hold_id=hold_id,
        turn_id=turn_id,
        kind=kind,
        now=now,
        expires_at=expires_at,
        periods=when,
        subjects=tuple(asked),
        limits=limits,
        prompt_tokens=size.prompt,
        completion_tokens=size.completion,
        least_tokens=min(size.least, size.completion),
        prompt_price=size.prompt_price,
        completion_price=size.completion_price,
    )


def account_limits(plan: Plan, credit: int, account: Subject, when: Periods) -> tuple[Limit, ...]:
    """An account's limits under its plan; a prepaid balance is one more."""
    limits = limits_of(account, plan.limits, when)
    if plan.prepaid:
        limits += (Limit(account, BALANCE, when.field(BALANCE), max(0, credit), None),)
    return limits
