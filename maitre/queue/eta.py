"""How long until one's turn: from what the models' calls took so far, who is being served, and who is ahead.

Per model it learns the lengths of answers (log-normal) and the seconds that a token of the prompt and one of the
answer take; newer calls weigh more. A forecast plays the line through many times, each time with other lengths drawn
from what was learned (given, for a call under way, that it is not over yet), and tells the median. The draws are a
fixed table, so that a forecast depends on nothing but what is known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heapreplace
from math import exp, log, sqrt
from random import Random
from statistics import NormalDist, median

from maitre.queue.line import Spent

MEMORY = 100  # calls: what is older fades
PLAYED = 48  # times
CELL = 997  # of the table of draws; a prime, so that no two tickets draw in step
NORMAL = NormalDist()

_random = Random(1)
_DRAWS = [_random.random() for _ in range(CELL)]


def _normal(share: float) -> float:
    return NORMAL.inv_cdf(min(max(share, 1e-9), 1 - 1e-9))


_NORMALS = [_normal(draw) for draw in _DRAWS]


@dataclass(frozen=True, slots=True)
class Pace:
    """What is known of a model: exponentially weighted means over its calls."""

    calls: float = 0.0  # learned from, at most MEMORY
    log_mean: float = 0.0  # of the answer's tokens
    log_var: float = 0.0
    pp: float = 0.0  # prompt tokens², and so on with answer tokens and seconds
    pa: float = 0.0
    aa: float = 0.0
    ps: float = 0.0
    as_: float = 0.0

    def learn(self, spent: Spent) -> Pace:
        """With one more call."""
        calls = min(self.calls + 1, MEMORY)
        weight = 1 / calls
        size = log(max(1, spent.tokens))
        off = size - self.log_mean
        prompt, answer, seconds = float(spent.prompt_tokens), float(spent.tokens), max(0.0, spent.seconds)
        products = (prompt * prompt, prompt * answer, answer * answer, prompt * seconds, answer * seconds)
        old = (self.pp, self.pa, self.aa, self.ps, self.as_)
        return Pace(
            calls,
            self.log_mean + weight * off,
            (1 - weight) * (self.log_var + weight * off * off),
            *(before + weight * (product - before) for before, product in zip(old, products, strict=True)),
        )

    def seconds(self) -> tuple[float, float]:
        """What a token of the prompt, and one of the answer, take: the least squares, neither below zero."""
        determinant = self.pp * self.aa - self.pa * self.pa
        if determinant > 1e-9 * self.pp * self.aa:
            prompt = (self.ps * self.aa - self.as_ * self.pa) / determinant
            answer = (self.as_ * self.pp - self.ps * self.pa) / determinant
            if prompt >= 0 and answer >= 0:
                return prompt, answer
            if answer < 0:
                return self.ps / self.pp, 0.0
        if self.aa:
            return 0.0, self.as_ / self.aa
        return (self.ps / self.pp, 0.0) if self.pp else (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Work:
    """A call as the forecast sees it; `age` in seconds, None of one that has not begun."""

    model: str
    prompt_tokens: int
    max_tokens: int
    age: float | None = None


def forecast(paces: Mapping[str, Pace], seated: Sequence[Work], line: Sequence[Work], slots: int) -> list[float | None]:
    """For each of the line, in its order, the seconds until it is seated; None while no model is known."""
    known = {work.model: paces[work.model] for work in (*seated, *line) if work.model in paces}
    if not known:
        return [None] * len(line)
    # A model without a past is taken for the best known one.
    other = max(known.values(), key=lambda pace: pace.calls)
    calls = [_Call(known.get(work.model, other), work) for work in (*seated, *line)]
    running, ahead = calls[: len(seated)], calls[len(seated) :]
    played: list[list[float]] = []
    for round_ in range(PLAYED):
        cell = round_ * 389
        free = [call.seconds((cell + place * 101) % CELL) for place, call in enumerate(running)]
        free += [0.0] * (slots - len(free))
        free.sort()
        free = free[len(free) - max(1, slots) :]  # of more than there should be, the first to end free nothing
        heapify(free)
        waits = []
        for place, call in enumerate(ahead, len(running)):
            start = free[0]
            waits.append(start)
            heapreplace(free, start + call.seconds((cell + place * 101) % CELL))
        played.append(waits)
    return [median(waits) for waits in zip(*played, strict=True)]


class _Call:
    """The length of one call, to be drawn."""

    __slots__ = ("age", "cap", "deviation", "done", "log_mean", "per_token", "prompt")

    def __init__(self, pace: Pace, work: Work) -> None:
        per_prompt, self.per_token = pace.seconds()
        self.prompt = per_prompt * work.prompt_tokens
        self.log_mean, self.deviation = pace.log_mean, max(0.05, sqrt(pace.log_var))
        self.cap = max(1, work.max_tokens)
        self.age = work.age or 0.0
        written = (self.age - self.prompt) / self.per_token if self.per_token > 0 else 0.0
        self.done = NORMAL.cdf((log(written) - self.log_mean) / self.deviation) if written > 1 else 0.0

    def seconds(self, cell: int) -> float:
        """What is left of it, by a cell of the table."""
        normal = _normal(self.done + _DRAWS[cell] * (1 - self.done)) if self.done else _NORMALS[cell]
        tokens = min(exp(self.log_mean + self.deviation * normal), self.cap)
        return max(0.0, self.prompt + self.per_token * tokens - self.age)
