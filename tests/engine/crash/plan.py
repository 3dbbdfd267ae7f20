"""Which part is killed at which step of a turn, and how long after the step began: drawn from a seed."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from random import Random

from maitre.settings import Endpoint
from tests.engine.crash.house import ENGINES

#: Who is killed. `valkey-empty` loses its disk as well.
VICTIMS = ("engine", "valkey", "valkey-empty", "postgres")

#: Steps of a turn, each with the longest pause, in seconds, between its beginning and the kill. `asking`: a guest's
#: request is under way, nothing is held; `opening`: windows are asked, the row is written, the call is made;
#: `waiting`: the provider's line is full and calls wait in it, held; `streaming`: an answer is half relayed;
#: `settling`: the upstream has just sent its last byte.
STEPS = {"asking": 0.004, "opening": 0.040, "waiting": 0.050, "streaming": 0.100, "settling": 0.015}


@dataclass(frozen=True, slots=True)
class Kill:
    """One kill. `engine`: which host is in the step, and is killed if engines are the victim; `depth`: how many deltas
    of an answer were sent when it is `streaming`."""

    victim: str
    step: str
    engine: Endpoint
    pause: float
    depth: int

    @property
    def part(self) -> Endpoint:
        """The part that is killed."""
        if self.victim == "engine":
            return self.engine
        return "valkey" if self.victim.startswith("valkey") else "postgres"


def kills(seed: int, rounds: int) -> list[Kill]:
    """Every victim at every step, so many times, in an order of the seed's."""
    chance = Random(seed)
    drawn = [
        Kill(victim, step, chance.choice(ENGINES), chance.uniform(0, STEPS[step]), chance.choice((2, 20, 60)))
        for _ in range(rounds)
        for victim, step in product(VICTIMS, STEPS)
    ]
    chance.shuffle(drawn)
    return drawn
