"""A real worker in a process of its own: `python -m tests.rag_service.ingest.working STEP`, then a worker's words."""

from __future__ import annotations

import sys

from rag_service import attempts, imports, ingest, sources, taken, worker
from rag_service.embedder_http import Embedder
from rag_service.ingest import Ingest
from rag_service.reader import Reader
from rag_service.store import stock
from rag_service.store.chunks import Chunks
from rag_service.store.stock import StockTable
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
#: Where an import can.
IMPORT_STEPS: dict[str, Step] = {
    "opened": (StockTable, "count", "after", 1),
    "written": (Chunks, "write", "after", 2),
    "counted": (taken, "count", "after", 3),
    "taken over": (imports, "end", "before", 1),
}

if __name__ == "__main__":
    ingest.BATCH, attempts.SILENCE, stock.BATCH = 3, 3, 7
    halt_at(sys.argv.pop(1), {**STEPS, **IMPORT_STEPS})
    worker.main()
