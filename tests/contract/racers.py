"""One process of racers: it hears of a round on stdin, and tells on stdout what it was granted.

Each racer does what a turn does before and after its upstream call: admit, write the row, confirm; and some settle.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from dataclasses import dataclass
from typing import Any

from maitre.billing.ledger_postgres import PostgresLedger
from maitre.quota.admission import Admission
from maitre.quota.redis_store import RedisQuotaStore
from maitre.quota.reservation import Ask, Granted
from maitre.quota.subject import Subject
from maitre.sql.postgres import Database
from maitre.valkey.redis_wire import Valkey
from tests.contract.house import row, spent_by, wish
from tests.contract.rows import PRICES, ended

PROMPT, LEAST, PRICES_ASKED = 4, 2, (3, 5)


def call(user: str, limits: dict[str, int], answer: int, name: str) -> Ask:
    """A racer's call: a prompt of 4, an answer of at least 2, at 3 and 5 a token."""
    return wish(
        name,
        turn=name,
        user=Subject("account", user),
        limits=limits,
        prompt=PROMPT,
        answer=answer,
        least=LEAST,
        prices=PRICES_ASKED,
    )


@dataclass
class Racers:
    """The door of one process."""

    valkey: Valkey
    store: RedisQuotaStore
    ledger: PostgresLedger
    database: Database

    def __post_init__(self) -> None:
        self.door = Admission(self.store, self.ledger)

    async def take(self, asked: Ask, flushes: int = -1) -> Granted | None:
        """Admit, write the row, confirm; Valkey loses everything before step `flushes`. None: nothing is left."""
        answer = await self.door.admit(asked)
        for step in (0, 1):
            if not isinstance(answer, Granted):
                break
            if flushes == step:
                await self.valkey.call("FLUSHDB")
            if step == 0:
                await self.ledger.open(row(asked, answer))
            else:
                answer = await self.door.confirm(asked, answer)
        if isinstance(answer, Granted):
            return answer
        if await self.ledger.withdraw(asked.hold_id):
            await self.store.release(asked.hold_id, asked.subjects, asked.periods.fields("requests"))
        return None

    async def race(self, word: dict[str, Any]) -> list[tuple[int, float, float]]:
        """A round: of each call that was granted the answer's tokens, and between when and when it ran."""
        chance = random.Random(word["seed"])
        plans = [
            (
                chance.randint(LEAST, 12),
                chance.randrange(2) if chance.random() < word["flushes"] else -1,
                chance.random() < word["settles"],
            )
            for _ in range(word["racers"])
        ]
        running: list[tuple[int, float, float]] = []

        async def racer(number: int, answer: int, flushes: int, settles: bool) -> None:
            asked = call(word["user"], word["limits"], answer, f"{word['user']}-{word['seed']}-{number}")
            granted = await self.take(asked, flushes)
            if granted is None:
                return
            began = time.monotonic()
            await asyncio.sleep(0)
            tokens = PROMPT + LEAST if settles else PROMPT + granted.completion_tokens
            running.append((tokens, began, time.monotonic() if settles else float("inf")))
            if settles:
                cost = PROMPT * PRICES_ASKED[0] + LEAST * PRICES_ASKED[1]
                await self.ledger.settle(ended(asked.hold_id, PROMPT, LEAST, cost=cost), None)
                await self.store.settle(asked.hold_id, asked.subjects, spent_by(asked, tokens, cost))

        await asyncio.gather(*(racer(number, *plan) for number, plan in enumerate(plans)))
        return running


def racers(valkey_url: str, postgres_url: str) -> Racers:
    """On connections of their own."""
    valkey, database = Valkey(valkey_url, timeout=20), Database(postgres_url)
    return Racers(valkey, RedisQuotaStore(valkey, prefix="race"), PostgresLedger(database, PRICES), database)


async def main() -> None:
    """Until stdin ends."""
    own, loop = racers(*sys.argv[1:]), asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps(await own.race(json.loads(line))), flush=True)
    await own.valkey.close()
    await own.database.close()


if __name__ == "__main__":
    asyncio.run(main())
