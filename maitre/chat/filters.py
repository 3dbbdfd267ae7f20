"""What the two filters do inside the Pipelines server: our turns are stamped, somebody else's counted and traced."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from maitre.chat import inlet
from maitre.chat.foreign import ForeignTurns
from maitre.chat.menu import Menu
from maitre.chat.message import TurnRequest, guest_of
from maitre.chat.reception import fits
from maitre.chat.requests import Requests
from maitre.chat.terms import strictest
from maitre.chat.text import clean_deep
from maitre.chat.turn import Turns
from maitre.errors import Forbidden, StoreDown, UnknownModel
from maitre.tracing.witness import Witness

User = Mapping[str, Any] | None


class Filters:
    """The inlets and outlets of `quota_filter` and `tracing_filter`."""

    def __init__(
        self,
        turns: Turns,
        menu: Menu,
        requests: Requests,
        foreign: ForeignTurns,
        witness: Witness,
        wall: Callable[[], datetime],
    ) -> None:
        self._turns, self._menu, self._requests = turns, menu, requests
        self._foreign, self._witness, self._wall = foreign, witness, wall

    async def quota_inlet(self, body: Mapping[str, Any], user: User, assistant_for: str) -> dict[str, Any]:
        """Stamp a turn of ours, admit or refuse somebody else's."""
        clean = inlet.without_key(body)
        base = inlet.base_model(clean)
        user_id = str((user or {}).get("id") or "")
        if self._serves(clean, base):
            return self._requests.stamped(clean, user_id, base)
        guest = guest_of(user or {})
        try:
            fits(clean)
            # What cannot be sent on must not be charged: the server cannot encode a lone surrogate.
            return await self._foreign.admit(guest, clean_deep(clean), assistant_for)
        except Exception as fault:  # noqa: BLE001 - whatever it is, the guest must read a sentence
            refused = self._turns.refusal_of(fault)
            mark = self._requests.mark(clean, user_id, inlet.REFUSED)
            text = self._turns.sentence(refused, TurnRequest(guest, base, (), {}, mark))
            return self._requests.refused(clean, mark, text, refused.status)

    async def quota_outlet(self, body: dict[str, Any], user: User) -> dict[str, Any]:
        """Settle a turn of somebody else's model. The body is never changed."""
        await self._foreign.settle(str((user or {}).get("id") or ""), body)
        return body

    def trace_inlet(self, body: Mapping[str, Any], user: User) -> None:
        """Remember the beginning of a turn of somebody else's model."""
        if not self._serves(body, inlet.base_model(body)):
            self._witness.begin(body, user or {}, self._wall())

    async def trace_outlet(self, body: Mapping[str, Any], user: User) -> None:
        """Report the turn that the inlet remembered, as far as the guest's plan allows."""
        try:
            _, plan = await self._turns.reception.arrive(guest_of(user or {}))
            record = strictest(self._turns.terms.record, plan.record)
        except (StoreDown, UnknownModel, Forbidden):
            record = "none"
        self._witness.end(body, user or {}, self._wall(), record)

    def _serves(self, body: Mapping[str, Any], model: str) -> bool:
        """Whether the turn comes to us: the model is one of ours, and not a guest's own of the same name (a direct
        connection), whose owner would read our stamp."""
        return self._menu.serves(model) and not inlet.is_direct(body)
