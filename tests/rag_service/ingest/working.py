"""A real worker in a process of its own: `python -m tests.rag_service.ingest.working STEP`, then a worker's words."""

from __future__ import annotations

import sys

from rag_service import attempts, ingest, sources, worker
from rag_service.embedder_http import Embedder
from rag_service.ingest import Ingest
from rag_service.reader import Reader
from rag_service.store.chunks import Chunks
from tests.rag_service.ingest.halting import Step, halt_at

#: Where a worker can stand still.
STEPS: dict[str, Step] = {
    "begun": (Reader, "read", "before", 1),
    "parsed": (Reader, "read", "after", 1),
    "embedding": (Embedder, "passages", "before", 2),
    "embedded": (Embedder, "passages", "after", 2),
    "staged": (Chunks, "stage", "after", 2),
    "whole": (Chunks, "publish", "before", 1),
    "publishing": (Chunks, "publish", "after", 1),
    "switching": (sources, "switch", "after", 1),
    "published": (Chunks, "tend", "before", 1),
    "ended": (Ingest, "index", "after", 1),
}

if __name__ == "__main__":
    ingest.BATCH, attempts.SILENCE = 3, 3
    halt_at(sys.argv.pop(1), STEPS)
    worker.main()
