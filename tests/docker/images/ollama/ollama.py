#!/usr/bin/env python3
"""`ollama serve` is llama.cpp's server; `list`, `pull NAME` and `show NAME` ask it, and every name is the one model."""

from __future__ import annotations

import json
import os
import signal
import sys
import urllib.request

MODEL = "/models/chat.gguf"
CONTEXT = 2048  # tokens of each request


def main() -> int:
    """Serve until SIGTERM, or ask the server in OLLAMA_HOST."""
    host, _, port = os.environ["OLLAMA_HOST"].removeprefix("http://").rpartition(":")
    if sys.argv[1] == "serve":
        serve(host, int(port))
        return 0
    there = "127.0.0.1" if host == "0.0.0.0" else host
    with urllib.request.urlopen(f"http://{there}:{port}/v1/models", timeout=10) as answer:
        names = [one["id"] for one in json.load(answer)["data"]]
    print("\n".join(names) if sys.argv[1] == "list" else f"success {sys.argv[2]}")
    return 0


def serve(host: str, port: int) -> None:
    """Serve the model under any name."""
    ends = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)  # before llama.cpp makes its threads, which inherit it

    import xllamacpp

    wish = xllamacpp.CommonParams()
    wish.model.path = MODEL
    wish.hostnames = [host]
    wish.port = port
    wish.n_parallel = int(os.environ.get("OLLAMA_NUM_PARALLEL", "2"))
    wish.n_ctx = wish.n_parallel * CONTEXT
    wish.cpuparams.n_threads = wish.cpuparams_batch.n_threads = 2
    wish.use_jinja = wish.warmup = True
    wish.ui = False
    server = xllamacpp.Server(wish)
    signal.sigwait(ends)
    del server


if __name__ == "__main__":
    sys.exit(main())
