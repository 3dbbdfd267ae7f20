"""Files into a collection: some uploads at once, then the jobs until each has ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maitre.errors import HouseError
from provisioning.files import shown
from provisioning.rag_http import RagError, RagService

AT_ONCE = 4  # uploads
WATCHED = 16  # jobs that are asked for in one round; workers take them in order
PAUSE = 0.3  # seconds between two rounds
UNDER_WAY = ("waiting", "working")


@dataclass(slots=True)
class Outcome:
    """What became of a file. `status` is empty until it was uploaded, then `unchanged` or its job's. `done` of `total`
    chunks are embedded. `fault` is the sentence of one that failed."""

    key: str
    status: str = ""
    document: str = ""
    job: str = ""
    done: int = 0
    total: int = 0
    fault: str = ""
    fault_code: str = ""

    @property
    def failed(self) -> bool:
        """Whether it ended otherwise than it should."""
        return self.status in ("failed", "cancelled")

    @property
    def ended(self) -> bool:
        """Whether nothing more happens to it."""
        return self.status not in ("", *UNDER_WAY)


Hear = Callable[[Outcome], None]


def upload(
    service: RagService, collection: str, files: Mapping[str, Path], outcomes: Sequence[Outcome], most: int, hear: Hear
) -> None:
    """Upload the files of the outcomes, of at most so many bytes each, and say in the outcomes what became of them;
    `hear` is told of each. Raises RagError when the service does not take any more; what it took stays."""

    def one(outcome: Outcome) -> Outcome:
        put(service, collection, files[outcome.key], outcome, most)
        return outcome

    with ThreadPoolExecutor(AT_ONCE) as pool:
        try:
            for future in as_completed([pool.submit(one, outcome) for outcome in outcomes]):
                hear(future.result())
        except BaseException:  # Ctrl-C too: those under way are finished, and no others begun
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def put(
    service: RagService,
    collection: str,
    path: Path,
    outcome: Outcome,
    most: int,
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """Upload one file. Raises RagError when the service is away, and when there is no such collection."""
    try:
        if path.stat().st_size > most:
            raise HouseError(f"It is larger than {most // 2**20} MiB (rag.max_file_mb).")
        with path.open("rb") as file:
            name = shown(path.name)
            answer = service.upload(collection, shown(outcome.key), name, file, metadata)
        outcome.document, outcome.job = answer["document"], answer.get("job", "")
        outcome.status = answer["status"]
    except OSError as bad:
        outcome.status, outcome.fault = "failed", f"It cannot be read ({bad.strerror})."
    except HouseError as refused:
        if isinstance(refused, RagError) and (refused.passing or refused.code == "unknown_collection"):
            raise
        outcome.status, outcome.fault = "failed", str(refused)
        outcome.fault_code = getattr(refused, "code", "too_large")


def wait(service: RagService, outcomes: Iterable[Outcome], patience: float, hear: Hear) -> bool:
    """Wait until every job has ended; `hear` is told of each that moved. False when none of them has moved for
    `patience` seconds: they stay in line. Raises RagError when the service was away for so long."""
    left = [one for one in outcomes if one.status in UNDER_WAY]
    moved = time.monotonic()
    while left:
        news = False
        try:
            for one in left[:WATCHED]:
                if _look(service, one):
                    news = True
                    hear(one)
        except RagError as away:  # it may come back: the jobs are in the database
            if not away.passing or time.monotonic() - moved >= patience:
                raise
        left = [one for one in left if not one.ended]
        moved = time.monotonic() if news else moved
        if left and not news and time.monotonic() - moved >= patience:
            return False
        if left:
            time.sleep(PAUSE)
    return True


def _look(service: RagService, outcome: Outcome) -> bool:
    """Ask how the job is; whether that is news."""
    before = (outcome.status, outcome.done, outcome.total)
    try:
        job = service.get("jobs", outcome.job)
    except RagError as gone:
        if gone.status != 404:
            raise
        outcome.status, outcome.fault = "cancelled", "It was deleted meanwhile."
        return True
    outcome.status, outcome.done, outcome.total = job["status"], job["done"], job["total"]
    outcome.fault, outcome.fault_code = job["fault"], job["fault_code"]
    return before != (outcome.status, outcome.done, outcome.total)
