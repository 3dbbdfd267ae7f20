"""What the analysis of the usual stack recommends, and the answer of this one: the data of docs/recommendations.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: How a recommendation is answered, and how a page says it.
ANSWERS = {
    "done": "done",
    "differs": "done otherwise",
    "later": "a later issue",
    "without": "not needed here",
}


@dataclass(frozen=True, slots=True)
class Recommendation:
    """One recommendation or one line of the checklist.

    `line` is its line in the analysis, `part` the part of it, `answer` a key of ANSWERS. `where` names files, each with
    the word in it that does it after `: `. `check` is what `cli doctor --production` looks at; without one the answer
    is the same in every house.
    """

    id: int
    line: int
    part: str
    what: str
    answer: str
    where: tuple[str, ...]
    why: str
    check: str | None


def read(data: Sequence[Mapping[str, Any]]) -> tuple[Recommendation, ...]:
    """The recommendations of `recommendations.yaml`, as YAML gives them."""
    return tuple(
        Recommendation(
            id=one["id"],
            line=one["line"],
            part=one["part"],
            what=one["what"],
            answer=one["answer"],
            where=tuple(one.get("where", ())),
            why=one.get("why", ""),
            check=one.get("check"),
        )
        for one in data
    )


def table(rows: Sequence[Recommendation], part: str) -> str:
    """The Markdown table of one part of the analysis."""
    lines = ["| no. | asked for | answer | where and why |", "|---|---|---|---|"]
    for one in rows:
        if one.part == part:
            places = "; ".join(_place(place) for place in one.where)
            said = ". ".join(text for text in (places, one.why) if text)
            lines.append(f"| {one.id} | {one.what} | {ANSWERS[one.answer]} | {said} |")
    return "\n".join(lines) + "\n"


def page(text: str, rows: Sequence[Recommendation]) -> str:
    """The page with every table made anew: each stands below the heading of its part."""
    lines, made, part = text.splitlines(), list[str](), ""
    for line in lines:
        if line.startswith("## "):
            part = line.removeprefix("## ").lower()
        if not line.startswith("|"):
            made.append(line)
        elif made[-1:] == [""]:
            made += table(rows, part).splitlines()
    return "\n".join(made) + "\n"


def _place(place: str) -> str:
    path, _, word = place.partition(": ")
    return f"`{path}`, `{word}`" if word else f"`{path}`"
