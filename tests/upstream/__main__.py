"""The scripted upstream as a process, `python -m tests.upstream --port P`. Prints its address once it listens."""

from __future__ import annotations

import argparse
import asyncio
import signal

import uvloop

from tests.upstream.server import ScriptedUpstream


async def _serve(upstream: ScriptedUpstream) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with upstream:
        print(upstream.url, flush=True)
        await stopped.wait()


def main() -> None:
    """Parse the command line and serve until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m tests.upstream", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen at")
    parser.add_argument("--port", type=int, default=0, help="0: a free port")
    parser.add_argument("--tokenize", choices=["none", "llama_cpp", "vllm"], default="none")
    parser.add_argument("--model", action="append", help="may be given more than once")
    parser.add_argument("--api-key")
    parser.add_argument("--forget-bytes", action="store_true", help="count the events, keep none of their bytes")
    given = parser.parse_args()
    upstream = ScriptedUpstream(
        given.port,
        host=given.host,
        tokenize=given.tokenize,
        models=given.model or ("scripted",),
        api_key=given.api_key,
        keep_bytes=not given.forget_bytes,
    )
    uvloop.run(_serve(upstream))


if __name__ == "__main__":
    main()
