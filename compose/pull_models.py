"""Pulls models into an Ollama, over its API: `pull_models.py URL MODEL…`. What is there already takes a moment.

It runs in a container of its own, with Python's standard library only.
"""

from __future__ import annotations

import json
import sys
import urllib.request
from collections.abc import Iterator


def pull(url: str, model: str) -> Iterator[str]:
    """Pull one model; what Ollama says of it, each thing once. Raises RuntimeError with its error, OSError when it
    cannot be reached."""
    body = json.dumps({"model": model}).encode()
    request = urllib.request.Request(f"{url}/api/pull", body, {"Content-Type": "application/json"})
    said = ""
    # Ollama reports about once a second; a silence of ten minutes is no download any more.
    with urllib.request.urlopen(request, timeout=600) as lines:
        for line in lines:
            told = json.loads(line)
            if "error" in told:
                raise RuntimeError(told["error"])
            if (status := str(told.get("status", ""))) != said:
                said = status
                yield said
    if said != "success":
        raise RuntimeError(f"it ended with “{said}”")


def main(words: list[str]) -> int:
    """Pull every model; 1 when one of them could not be pulled."""
    url, *models = words
    failed = 0
    for model in models:
        try:
            for said in pull(url, model):
                print(f"{model}: {said}", flush=True)
        except (OSError, RuntimeError, ValueError) as wrong:
            print(f"{model} could not be pulled: {wrong}", file=sys.stderr, flush=True)
            failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
