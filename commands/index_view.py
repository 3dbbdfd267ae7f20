"""`cli index` on the screen: a bar in a terminal, else a line for each document, and how it ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from commands.output import console, errors

if TYPE_CHECKING:
    from provisioning.files import Found
    from provisioning.indexing import Outcome


@contextmanager
def following(outcomes: Sequence[Outcome], *, shown: bool) -> Iterator[Callable[[Outcome], None]]:
    """What hears of each document that moved, and shows it while the block runs."""
    if not shown:
        yield lambda _: None
    elif not console.is_terminal:
        yield _line
    else:
        columns = (TextColumn("documents"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[chunks]}"))
        with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as progress:
            bar = progress.add_task("", total=len(outcomes), chunks="")

            def hear(_: Outcome) -> None:
                uploaded = sum(bool(one.status) for one in outcomes)
                told_so_far = f"{uploaded} uploaded, {sum(one.done for one in outcomes)} chunks embedded"
                progress.update(bar, completed=sum(one.ended for one in outcomes), chunks=told_so_far)

            yield hear


def _line(one: Outcome) -> None:
    if one.ended and not one.failed:
        what = "unchanged" if one.status == "unchanged" else f"ready, {told(one.total, 'chunk')}"
        console.print(f"{one.key}: {what}", markup=False, highlight=False, soft_wrap=True)


def report(collection: str, found: Found, outcomes: Sequence[Outcome], pruned: Sequence[str]) -> None:
    """Print what became of the files; those that failed with their sentences, on standard error."""
    for one in outcomes:
        if one.failed:
            why = one.fault or "It was cancelled."
            errors.print(f"{one.key}: {why}", markup=False, style="red", soft_wrap=True)
    counts = Counter("failed" if one.failed else one.status for one in outcomes)
    waiting = counts["waiting"] + counts["working"]
    numbers = {
        "indexed": counts["ready"],
        "in line": waiting,
        "unchanged": counts["unchanged"],
        "failed": counts["failed"],
        "removed": len(pruned),
    }
    parts = ", ".join(f"{number} {what}" for what, number in numbers.items() if number)
    console.print(f"Documents of {collection}: {parts or 'none'}.", markup=False, highlight=False)
    if found.hidden or found.foreign:
        console.print(f"Passed by: {found.hidden} hidden, {found.foreign} that are no documents.", highlight=False)


def told(number: int, noun: str) -> str:
    """A number of things: “1 document”, “2 documents”."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
