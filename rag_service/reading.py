"""The process that reads files for a worker, one after another: `python -m rag_service.reading`.

It sees nothing of the house and has a limit of memory, so that a file that lies can only end this process. A request on
stdin is two lengths (8 bytes each), JSON and the file's bytes; the answer on stdout one length and JSON.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import signal
import struct
import sys
from typing import Any, BinaryIO

from rag_service.chunking import pieces
from rag_service.errors import DOCLING_DOWN, Unreadable
from rag_service.parsing.docling_http import Docling, DoclingDown
from rag_service.parsing.parse import parse
from rag_service.parsing.parsed import Limits

DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of <linux/prctl.h>


def answer(request: dict[str, Any], data: bytes) -> dict[str, Any]:
    """What is in the file, or why nothing is."""
    docling = Docling(request["docling"]) if request["docling"] else None
    try:
        parsed = parse(
            request["name"], data, request["media_type"], docling=docling, limits=Limits(size=request["largest"])
        )
        found = pieces(parsed)
    except Unreadable as unreadable:
        return {"code": unreadable.code, "sentence": str(unreadable)}
    except DoclingDown as down:
        return {"code": DOCLING_DOWN, "sentence": str(down)}
    except MemoryError:
        return {"code": "too_large", "sentence": "Reading the file takes more memory than there is."}
    if not found:
        return {"code": "empty", "sentence": "The file has no text."}
    return {
        "title": parsed.title,
        "pages": parsed.pages,
        "pieces": [[piece.text, piece.heading, piece.page] for piece in found],
    }


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Answer requests until there are no more."""
    while len(head := source.read(16)) == 16:
        asked, size = struct.unpack(">QQ", head)
        request, data = json.loads(source.read(asked)), source.read(size)
        told = json.dumps(answer(request, data)).encode()
        sink.write(struct.pack(">Q", len(told)) + told)
        sink.flush()


def main(memory: int) -> None:
    """Read with so many bytes of address space at most; end when the worker does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal is the worker's business
    with contextlib.suppress(OSError, AttributeError):  # there is prctl on Linux only
        ctypes.CDLL(None).prctl(DEATH_SIGNAL, signal.SIGKILL)
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # What a library prints must not get between the answers.
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    serve(sys.stdin.buffer, sink)


if __name__ == "__main__":
    main(int(sys.argv[1]))
