"""What the processes of a house count (traces sent and dropped), in Valkey, for `cli status`."""

from __future__ import annotations

from collections.abc import Mapping

from maitre.valkey.redis_wire import Valkey

#: A process that published nothing for so long is gone. Seconds.
KEPT = 86_400


class RedisCounters:
    """Counters by process."""

    def __init__(self, valkey: Valkey, *, prefix: str = "maitre") -> None:
        self._valkey = valkey
        self._prefix = f"{prefix}:counters:"

    async def publish(self, process: str, amounts: Mapping[str, int]) -> None:
        """Replace the counters of a process. Raises StoreDown."""
        if amounts:
            key = self._prefix + process
            await self._valkey.call("HSET", key, *(word for pair in amounts.items() for word in pair))
            await self._valkey.call("EXPIRE", key, KEPT)

    async def total(self) -> dict[str, int]:
        """The counters of all processes, summed. Raises StoreDown."""
        total: dict[str, int] = {}
        cursor = b"0"
        while True:
            cursor, keys = await self._valkey.call("SCAN", cursor, "MATCH", self._prefix + "*", "COUNT", 100)
            for key in keys:
                told = await self._valkey.call("HGETALL", key)
                for name, amount in zip(told[::2], told[1::2], strict=True):
                    total[name.decode()] = total.get(name.decode(), 0) + int(amount)
            if cursor == b"0":
                return total
