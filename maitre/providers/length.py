"""How long a model's answers are, learned from those that it gave: what a hold can be cut to when a window is nearly
full, so that a plan's last tokens remain usable."""

from __future__ import annotations

#: The answer that nine in ten stay below is followed by steps of this part of its size.
STEP = 0.05
SHARE = 0.9

#: Answers seen before anything is said of a model.
ENOUGH = 20


class Lengths:
    """The ninth decile of answers in tokens, by model; a stochastic quantile, so that nothing is kept."""

    def __init__(self) -> None:
        self._decile: dict[str, float] = {}
        self._seen: dict[str, int] = {}

    def likely(self, model: str) -> int | None:
        """The length that nine in ten answers stay below, or None while too few were seen."""
        if self._seen.get(model, 0) < ENOUGH:
            return None
        return max(1, round(self._decile[model]))

    def learn(self, model: str, tokens: int) -> None:
        """Take a whole answer into account."""
        if tokens <= 0:
            return
        self._seen[model] = self._seen.get(model, 0) + 1
        old = self._decile.setdefault(model, float(tokens))
        step = max(1.0, old * STEP)
        self._decile[model] = old + step * SHARE if tokens > old else max(1.0, old - step * (1 - SHARE))
