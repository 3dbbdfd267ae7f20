"""Bodies made requests: our signed stamp, put in at an inlet and believed where the turn begins. Time and ids are
arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from maitre.accounts.account import Arrived
from maitre.chat import inlet, stamp
from maitre.chat.message import Stamp, TurnRequest, guest_of
from maitre.errors import BadRequest


class Requests:
    """Signs and reads the stamp with the house's secret."""

    def __init__(self, secret: str, clock: Callable[[], datetime], new_id: Callable[[], str]) -> None:
        self._secret, self._clock, self._new_id = secret, clock, new_id

    def request(self, model: str, body: Mapping[str, Any]) -> TurnRequest:
        """The request that a pipe was called with. Raises BadRequest when nobody asks."""
        user = body.get("user")
        if not isinstance(user, Mapping) or not user.get("id"):
            raise BadRequest("nobody")
        return self.request_of(user, model, body)

    def request_of(
        self, user: Mapping[str, Any], model: str, body: Mapping[str, Any], arrived: Arrived | None = None
    ) -> TurnRequest:
        """The request of a user (`id`, `email`, `name`) of whom the door is sure, with our stamp if it is one.
        `arrived`: the user's account, where the door has just read it."""
        guest, messages = guest_of(user, arrived), body.get("messages") or []
        told = body.get(stamp.KEY)
        mark = stamp.verify(told, self._secret, user_id=guest.user_id, model=model, now=self._now())
        return TurnRequest(guest, model, messages if isinstance(messages, list) else [messages], body, mark)

    def stamped(self, body: Mapping[str, Any], user_id: str, model: str) -> dict[str, Any]:
        """The body with our signed stamp for this user and model, and nobody else's."""
        clean = inlet.without_key(body)
        return {**clean, stamp.KEY: stamp.sign(self.mark(clean, user_id, model), self._secret)}

    def refused(self, body: Mapping[str, Any], mark: Stamp, sentence: str, status: int) -> dict[str, Any]:
        """The body sent to the model that answers with this sentence."""
        told = replace(mark, refusal=sentence, refusal_status=status)
        return {**inlet.without_key(body), "model": inlet.REFUSED, stamp.KEY: stamp.sign(told, self._secret)}

    def mark(self, body: Mapping[str, Any], user_id: str, model: str) -> Stamp:
        """The stamp of the turn that this body begins."""
        return inlet.stamp_of(body, user_id=user_id, model=model, turn_id=self._new_id(), now=self._now())

    def _now(self) -> float:
        # The house's time: a stamp must not end because a machine's clock is set.
        return self._clock().timestamp()
