"""An account: a guest, by the Open WebUI user id. The e-mail is an attribute, never the key."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Account:
    """Who a guest is. `plan` is None until somebody or the house's default gives one.

    `role` is the house's (admin, priority, tester, user), not Open WebUI's. `credit` is what was paid in, in 10⁻⁹ of
    the currency; only plans that are prepaid ask for it. A
    suspended account is refused at every door.
    """

    user_id: str
    email: str
    name: str
    role: str = "user"
    plan: str | None = None
    credit: int = 0
    suspended: bool = False


@dataclass(frozen=True, slots=True)
class Arrived:
    """An account as it was when its request began, and the catalogue's version at that moment."""

    account: Account
    version: int
