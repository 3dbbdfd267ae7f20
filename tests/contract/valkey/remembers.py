"""A Valkey that has been remembering for long, which a new key prefix makes look new."""

from __future__ import annotations

from maitre.valkey.redis_wire import Valkey


async def remembers(valkey: Valkey, prefix: str) -> None:
    """From now on what is kept under this prefix has no restart or loss behind it."""
    about = (await valkey.call("INFO", "server")).decode()
    run = next(line.removeprefix("run_id:") for line in about.splitlines() if line.startswith("run_id:"))
    await valkey.call("HSET", f"{prefix}:{{house}}:all", "epoch", 1, "saved", -1, "run", run)
