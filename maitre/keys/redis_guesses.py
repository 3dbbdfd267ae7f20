"""Wrong keys by their origin, counted in Valkey for all of a house's processes."""

from __future__ import annotations

from maitre.valkey.redis_wire import Script, Valkey

SPAN = 60_000  # milliseconds

#: Sent twice it counts twice, which refuses a little earlier.
_COUNT = Script("""
local count = redis.call('INCR', KEYS[1])
if count == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return {count, redis.call('PTTL', KEYS[1])}
""")


class RedisFailures:
    """One small key an origin, which is gone after a minute."""

    def __init__(self, valkey: Valkey, *, prefix: str = "maitre") -> None:
        self._valkey, self._prefix = valkey, f"{prefix}:guesses:"

    async def count(self, origin: str) -> tuple[int, float]:
        """Count one more; how many there are, and the seconds left of their minute. Raises StoreDown."""
        count, left = await self._valkey.run(_COUNT, [self._prefix + origin], [SPAN])
        return count, left / 1000
