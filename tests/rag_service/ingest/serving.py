"""The real service in a process of its own: `python -m tests.rag_service.ingest.serving STEP PORT`."""

from __future__ import annotations

import sys

from maitre.http import http_server
from rag_service import app, jobs
from rag_service.routes import uploads
from tests.rag_service.ingest.halting import Step, halt_at

#: Where the service can stand still while a document comes in.
STEPS: dict[str, Step] = {
    "kept": (jobs, "enqueue", "before", 1),  # the bytes are written, the job is not
    "enqueued": (jobs, "enqueue", "after", 1),  # both are, and nothing is committed
    "committed": (uploads, "_put", "after", 1),  # and nobody was told
}

if __name__ == "__main__":
    halt_at(sys.argv[1], STEPS)
    http_server.run(app.app, int(sys.argv[2]), drain=30)
