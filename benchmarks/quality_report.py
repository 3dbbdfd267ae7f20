"""How well the store finds documents, for people and for machines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.quality import KEPT, MODES, Answer
from benchmarks.questions import KINDS, LANGUAGES, SPLITS
from benchmarks.ranking import Estimate, estimate, ndcg, recall

MEASURES: dict[str, Callable[..., float]] = {"nDCG@10": ndcg, "recall@10": recall}
ALL = "all"
GROUPS = (ALL, *KINDS, *LANGUAGES)
BAR = 30  # letters


def values(answers: Sequence[Answer], kept: str, split: str, group: str, mode: str, measure: str) -> list[float]:
    """The measure of every question of the group, by the questions' ids."""
    own = [
        one
        for one in answers
        if (one.kept, one.mode, one.question.split) == (kept, mode, split)
        and group in (ALL, one.question.kind, one.question.language)
    ]
    return [MEASURES[measure](one.ranking, one.question.relevant) for one in sorted(own, key=lambda a: a.question.id)]


def differences(
    answers: Sequence[Answer], kept: str, split: str, group: str, measure: str, seed: int
) -> dict[str, Estimate]:
    """By how much hybrid is better than each leg, question by question."""
    hybrid = values(answers, kept, split, group, "hybrid", measure)
    return {
        leg: estimate(
            [one - other for one, other in zip(hybrid, values(answers, kept, split, group, leg, measure), strict=True)],
            seed,
        )
        for leg in MODES
        if leg != "hybrid"
    }


def faults(answers: Sequence[Answer], kept: str, split: str, seed: int) -> list[str]:
    """Where hybrid is worse than the better leg beyond the interval of their differences, or overall not better than
    both by its mean."""
    found = []
    for measure in MEASURES:
        for group in GROUPS:
            for leg, gain in differences(answers, kept, split, group, measure, seed).items():
                if gain.high < 0:
                    found.append(f"{measure}, {group}: hybrid is worse than {leg} by {-gain.mean:.3f}")
                elif group == ALL and gain.mean <= 0:
                    found.append(f"{measure}, overall: hybrid is no better than {leg} ({gain.mean:+.3f})")
    return found


def tell(console: Console, answers: Sequence[Answer], seed: int) -> bool:
    """Print it all; whether the held out questions show what is claimed, in both ways of keeping the documents."""
    holds = True
    console.print(f"seed {seed} of the intervals")
    splits = [split for split in SPLITS if any(one.question.split == split for one in answers)]
    for split in splits:
        for kept in KEPT:
            for measure in MEASURES:
                console.print(table(answers, kept, split, measure, seed))
            found = faults(answers, kept, split, seed)
            said = "; ".join(found) or "hybrid is nowhere worse than a leg beyond the interval, and overall better"
            console.print(f"{split}, {kept}: {said}")
            if split == "heldout":
                holds &= not found
    if "heldout" in splits:
        for kept in KEPT:
            console.print(bars(answers, kept, "heldout"), highlight=False)
        console.print(f"The claim {'holds' if holds else 'is MISSED'} on the held out questions.")
    return holds


def table(answers: Sequence[Answer], kept: str, split: str, measure: str, seed: int) -> Table:
    """One row a group of questions."""
    shown = Table(
        title=f"{measure}, {split} questions, documents {kept}",
        caption="means, with intervals of 95 % from the bootstrap; by the question's kind and by its language",
    )
    for column in ("questions", "", *MODES, *(f"hybrid - {leg}" for leg in MODES if leg != "hybrid")):
        shown.add_column(column, justify="left" if column == "questions" else "right")
    for group in GROUPS:
        own = [estimate(values(answers, kept, split, group, mode, measure), seed) for mode in MODES]
        gains = differences(answers, kept, split, group, measure, seed).values()
        told = [f"{gain.mean:+.3f} ({gain.low:+.2f}..{gain.high:+.2f})" for gain in gains]
        shown.add_row(group, str(own[0].questions), *map(str, own), *told)
    return shown


def bars(answers: Sequence[Answer], kept: str, split: str) -> str:
    """nDCG@10 as a plot."""
    lines = [f"nDCG@10, {split} questions, documents {kept}"]
    for group in GROUPS:
        for mode in MODES:
            own = values(answers, kept, split, group, mode, "nDCG@10")
            mean = sum(own) / len(own)
            who = group if mode == MODES[0] else ""
            lines.append(f"{who:>12} {mode:>6} {'█' * round(mean * BAR):<{BAR}} {mean:.3f}")
    return "\n".join(lines)


def as_json(answers: Sequence[Answer], seed: int) -> dict[str, Any]:
    """The whole result, every ranking too."""
    splits = [split for split in SPLITS if any(one.question.split == split for one in answers)]
    return {
        "bench": "quality",
        "seed": seed,
        "holds": not any(faults(answers, kept, split, seed) for kept in KEPT for split in splits if split == "heldout"),
        "results": [
            {
                **{"documents": kept, "split": split, "group": group, "measure": measure},
                **{mode: asdict(estimate(values(answers, kept, split, group, mode, measure), seed)) for mode in MODES},
                **{
                    f"hybrid-{leg}": asdict(gain)
                    for leg, gain in differences(answers, kept, split, group, measure, seed).items()
                },
            }
            for split in splits
            for kept in KEPT
            for measure in MEASURES
            for group in GROUPS
        ],
        "answers": [
            {"documents": one.kept, "mode": one.mode, "question": one.question.id, "ranking": one.ranking[:10]}
            for one in answers
        ],
    }
