"""`python -m devstack.llama_server --port P --model FILE`: llama.cpp's own HTTP server, until SIGTERM."""

from __future__ import annotations

import argparse
import os
import signal

#: Requests at a time, and tokens of context for all of them together.
SLOTS, CONTEXT = 2, 4096


def main() -> None:
    """Serve the model on 127.0.0.1 under the name `embedded-chat`."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--port", type=int, required=True)
    asked.add_argument("--model", required=True)
    given = asked.parse_args()
    ends = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)  # before llama.cpp makes its threads, which inherit it

    import xllamacpp

    wish = xllamacpp.CommonParams()
    wish.model.path = given.model
    wish.model_alias = {"embedded-chat"}
    wish.hostnames = ["127.0.0.1"]
    wish.port = given.port
    wish.n_parallel, wish.n_ctx = SLOTS, CONTEXT
    wish.cpuparams.n_threads = wish.cpuparams_batch.n_threads = min(4, os.cpu_count() or 2)
    wish.use_jinja = wish.endpoint_metrics = wish.warmup = True
    wish.ui = False
    server = xllamacpp.Server(wish)
    print("ready", flush=True)
    signal.sigwait(ends)
    del server


if __name__ == "__main__":
    main()
