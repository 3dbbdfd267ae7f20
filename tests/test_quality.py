"""The measures of retrieval, the corpus and its questions; the benchmarks of the stores; nothing asserts on speed."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from math import log2

import pytest
from rich.console import Console

from benchmarks import b9, b10, quality_report
from benchmarks.quality import MODES, Answer
from benchmarks.questions import KINDS, LANGUAGES, SPLITS, Question, documents, questions
from benchmarks.ranking import estimate, first_of_each, ndcg, recall

TWO = {"a": 2, "b": 1}
QUESTION = Question("q", "heldout", "exact", "en", "?", {"a": 2})


@pytest.mark.parametrize(
    ("ranking", "relevant", "expected"),
    [
        (["a", "b", "x"], TWO, 1.0),
        (["b", "a"], TWO, (1 + 3 / log2(3)) / (3 + 1 / log2(3))),
        (["x", "a"], {"a": 2}, 1 / log2(3)),
        (["x"] * 10 + ["a"], {"a": 2}, 0.0),
        ([], TWO, 0.0),
    ],
)
def test_ndcg(ranking: list[str], relevant: dict[str, int], expected: float) -> None:
    """The best order is 1, a later place counts by the logarithm, the eleventh nothing."""
    assert ndcg(ranking, relevant) == pytest.approx(expected)


def test_recall() -> None:
    """Every relevant document among the first ten counts alike."""
    assert recall(["b", "x"], TWO) == 0.5
    assert recall(["x"] * 10 + ["a", "b"], TWO) == 0


def test_documents_of_chunks() -> None:
    """A document stands where its best chunk does, once."""
    assert first_of_each(["b", "a", "b", "c", "a"]) == ["b", "a", "c"]


def test_intervals() -> None:
    """The interval holds the mean, is one point when all values are the same, and is the same for the same seed."""
    values = [0.0, 0.2, 0.9, 1.0, 0.4, 0.3]
    first = estimate(values, seed=1, samples=500)
    assert first == estimate(values, seed=1, samples=500)
    assert 0 <= first.low < first.mean < first.high <= 1
    assert first.questions == 6
    assert estimate([0.5] * 4, samples=50).low == estimate([0.5] * 4, samples=50).high == 0.5


def _answers(good: set[str]) -> list[Answer]:
    asked = [replace(QUESTION, id=f"q{number}", language=one) for one in LANGUAGES for number in range(5)]
    asked = [replace(one, kind=kind) for one in asked for kind in KINDS]
    return [Answer("apart", mode, one, ["a"] if mode in good else ["x", "a"]) for mode in MODES for one in asked]


def test_a_worse_hybrid_is_told() -> None:
    """Hybrid that loses to a leg beyond the interval is named, in every group; one that wins is not."""
    assert quality_report.faults(_answers({"hybrid"}), "apart", "heldout", 0)[0].startswith("recall@10, overall")
    told = quality_report.faults(_answers({"dense"}), "apart", "heldout", 0)
    assert {f"nDCG@10, {group}: hybrid is worse than dense by 0.369" for group in quality_report.GROUPS} <= set(told)


def test_the_corpus_is_whole() -> None:
    """There are 312 documents, in three languages, each with a text of its own."""
    read = documents()
    assert len({one.id for one in read}) == len({one.data for one in read}) == len(read) == 312
    assert all(count >= 100 for count in Counter(one.language for one in read).values())


def test_the_questions_are_whole() -> None:
    """30 questions are for tuning and 60 held out, 20 of each kind; what they ask for is there."""
    asked = {split: questions(split) for split in SPLITS}
    assert {split: len(found) for split, found in asked.items()} == {"tuning": 30, "heldout": 60}
    assert Counter(one.kind for one in asked["heldout"]) == dict.fromkeys(KINDS, 20)
    everything = [one for found in asked.values() for one in found]
    assert len({one.id for one in everything}) == len({one.text for one in everything}) == 90
    there = {one.id for one in documents()}
    for one in everything:
        assert one.relevant.keys() <= there
        assert 2 in one.relevant.values()
        assert set(one.relevant.values()) <= {1, 2}
        others = {document[:2] for document, grade in one.relevant.items() if grade == 2} - {one.language}
        assert bool(others) == (one.kind == "crosslingual"), one.id


def test_the_stores_are_compared_on_the_same_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both stores find the nearest of all rows; ours has all ten of a tenant. Small, and nothing of speed."""
    monkeypatch.setattr(b10, "QUESTIONS", 20)
    rounds = b10.run(replace(b10.WORK, rounds=1, rows=1000))
    assert {(one.work, one.target) for one in rounds} == {(what, who) for what in b10.TITLES for who in b10.TARGETS}
    assert all(one.recall >= 0.99 and one.rows == b10.TOP[one.work] for one in rounds if one.target == "maitre")
    assert all(one.recall >= 0.99 for one in rounds if one.work == "all")
    b10.tell(Console(quiet=True), b10.WORK, rounds)
    assert len(b10.as_json(b10.WORK, rounds)["goals"]) == 5


def test_every_way_of_loading_is_whole() -> None:
    """What is loaded is found by its own vector, in every way that is compared."""
    rounds = b9.run(replace(b9.WORK, rounds=1, rows=300))
    assert [one.target for one in sorted(rounds, key=lambda one: b9.TARGETS.index(one.target))] == list(b9.TARGETS)
    assert len(b9.as_json(b9.WORK, rounds)["goals"]) == 2
