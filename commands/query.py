"""`cli query`: what the house's knowledge says about a question."""

from __future__ import annotations

import enum
from typing import Annotated, Any

import typer
from rich.markup import escape

from commands.knowledge import guests, knowing, operators
from commands.output import HouseOption, JsonOption, VerboseOption, console, one_sentence, print_json
from maitre.errors import HouseError

#: Characters of a passage that are shown; `--json` has all of it.
EXCERPT = 300


class Mode(enum.StrEnum):
    """How passages are found."""

    hybrid = "hybrid"
    dense = "dense"
    text = "text"


def query(
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="What you want to know.")],
    collection: Annotated[
        list[str] | None,
        typer.Option("--collection", metavar="NAME", help="Where to look; may be repeated. Default: everywhere."),
    ] = None,
    reader: Annotated[
        str | None,
        typer.Option("--as", metavar="USER", help="See what this guest may see, at their expense."),
    ] = None,
    mode: Annotated[
        Mode, typer.Option("--mode", help="By meaning (dense), by words (text), or both (hybrid).")
    ] = Mode.hybrid,
    limit: Annotated[int, typer.Option("--limit", min=1, max=50, help="How many passages at most.")] = 5,
    answer: Annotated[
        bool, typer.Option("--answer", help="Have a model answer from the passages; it is on the ledger.")
    ] = False,
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="MODEL", help="Which model answers: assistants.general, models.small."),
    ] = None,
    as_json: JsonOption = False,
    house: HouseOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Show the passages that say most about a question. Without --as you see every collection, as the operator."""
    with one_sentence(verbose):
        checked = knowing(house)
        service = operators(checked) if reader is None else guests(checked, reader)
        body: dict[str, Any] = {"question": question, "limit": limit, "mode": mode.value, "answer": answer}
        given = {"collections": collection, "model": model}
        body |= {name: value for name, value in given.items() if value}
        found = service.post("query", body=body, seconds=checked.max_turn_seconds if answer else 120)
        if missing := found.get("unknown"):
            raise HouseError(
                f"There is no collection “{missing[0]}”. `cli collections list` shows those that there are."
            )
    if as_json:
        print_json(found)
    else:
        show(found)


def show(found: dict[str, Any]) -> None:
    """Print the answer, if there is one, and the passages."""
    if not found["passages"]:
        console.print("Nothing was found.")
        return
    told = found.get("answer")
    if told:
        console.print(told["text"], markup=False, highlight=False)
        console.print(f"[dim]{escape(told['model'])}, from {_numbers(told['citations'])}[/]\n", highlight=False)
    for number, one in enumerate(found["passages"], 1):
        page = None if one["page"] is None else f"page {one['page']}"
        about = [one["title"] or one["document"], page, one["heading"], one["collection"]]
        head = " · ".join(escape(str(part)) for part in dict.fromkeys(about) if part)
        console.print(f"[bold]{number}[/] {head}  [dim]{one['score']:.4f}[/]", highlight=False)
        if one["url"]:
            console.print(f"  {one['url']}", markup=False, highlight=False)
        console.print(f"  {excerpt(one['text'])}", markup=False, highlight=False)


def excerpt(text: str) -> str:
    """The beginning of a passage, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= EXCERPT else line[: EXCERPT - 1].rstrip() + "…"


def _numbers(citations: list[int]) -> str:
    return ", ".join(f"[{number}]".replace("[", "\\[") for number in citations) or "no passage"
