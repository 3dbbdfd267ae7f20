"""The journal's lines: what is written comes back, what a crash or a disk spoilt is known."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maitre.billing.journal import Beaten, Entry, Opened, Settled, Withdrawn, beats, entry, line, opening, read
from maitre.billing.row import Words
from tests.contract.rows import NOON, TTL, call, ended

TEXT = st.text(st.characters(), max_size=20)  # with NUL, line ends and lone surrogates, as models write them
ENTRIES: st.SearchStrategy[Entry] = st.one_of(
    st.builds(lambda id, text: Opened(call(id, chat_id=text)), TEXT, TEXT),
    st.builds(Beaten, st.dictionaries(TEXT, st.none() | st.integers(0, 9), max_size=3), st.just(NOON)),
    st.builds(
        lambda id, said, number: Settled(
            call(id), ended(id, number), None if said is None else Words(said, said, NOON + TTL)
        ),
        TEXT,
        st.none() | TEXT,
        st.integers(-(10**30), 10**30),
    ),
    st.builds(Withdrawn, TEXT),
)
SOME: tuple[Entry, ...] = (
    Opened(call("r1")),
    Opened(call("r2")),
    Beaten({"r1": 3, "r2": None}, NOON + TTL),
    Settled(call("r1"), ended("r1"), Words("in\n", "out\r\x85", NOON)),
    Withdrawn("r2"),
)


@given(ENTRIES)
def test_an_entry_comes_back_from_its_line(told: Entry) -> None:
    """Whatever is in it; and a line is one line of JSON, in ASCII."""
    written = line(told)
    assert entry(written) == told
    assert written.endswith(b"\n")
    assert len(written.splitlines()) == 1
    assert json.loads(written)[0] == 1


@given(ENTRIES, st.data())
def test_a_line_that_is_not_as_it_was_written_is_not_believed(told: Entry, data: st.DataObject) -> None:
    """A changed byte, a missing end, more after it: none of it is an entry."""
    written = line(told)
    place = data.draw(st.integers(0, len(written) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda byte: byte != written[place]))
    assert entry(written[:place] + bytes([other]) + written[place + 1 :]) is None
    assert entry(written[:place]) is None
    assert entry(written + b" \n") is None


@pytest.mark.parametrize(
    "strange",
    [
        b"\n",
        b"{}\n",
        line(Withdrawn("r")).replace(b"[1,", b"[2,", 1),
        b'[1,"00000000",["opened"]]\n',
        b'[1,"d5ed9d41",["opened",{}]]\n',
    ],
)
def test_what_another_version_wrote_is_kept_apart(strange: bytes) -> None:
    """An unknown version, kind or form is given back as it is."""
    assert read(strange + line(SOME[0])) == (read(line(SOME[0]))[0], [strange])


def test_a_journal_that_ends_anywhere_has_all_its_whole_lines() -> None:
    """Wherever a crash cut it off, that is one line given back, and every line before it is read."""
    data = b"".join(map(line, SOME))
    for cut in range(len(data) + 1):
        rest = data[:cut]
        whole, end = rest.count(b"\n"), rest[rest.rfind(b"\n") + 1 :]
        fates, spoilt = read(rest)
        assert spoilt == ([end] if end else [])
        assert fates == read(b"".join(map(line, SOME[:whole])))[0]
        assert {fate.request_id for fate in fates} == [set(), {"r1"}, {"r1", "r2"}][min(whole, 2)]
    assert fates[0].settled == SOME[3]
    assert fates[1].withdrawn


def test_the_first_word_about_a_call_is_the_one_that_counts() -> None:
    """A second opening or end of the same call, from a repeated write, changes nothing."""
    again = (Opened(call("r1", model="x")), Settled(call("r1", model="x"), ended("r1", 999), None))
    (fate, _), _ = read(b"".join(map(line, (*SOME, *again))))
    assert fate.call == call("r1")
    assert fate.settled == SOME[3]


def test_the_row_of_a_call_says_until_when_it_lived_and_what_it_relayed() -> None:
    """By the highest of its beats, in whatever order they came; one that never beat is as it began."""
    lines = (
        *SOME[:2],
        Opened(call("r3")),
        Beaten({"r1": 9}, NOON + 2 * TTL),
        Beaten({"r1": 4}, NOON + TTL),
        Beaten({"r2": None}, NOON),
    )
    one, two, three = read(b"".join(map(line, lines)))[0]
    assert opening(one) == (replace(call("r1"), expires_at=NOON + 2 * TTL), 9)
    assert opening(two) == (call("r2"), 0)
    assert opening(three) == (call("r3"), 0)
    assert beats([one, two, three]) == {NOON + 2 * TTL: {"r1": 9}, NOON: {"r2": None}}


def test_what_is_over_does_not_beat_and_what_never_was_has_no_row() -> None:
    """Neither does a call whose beginning was read before get a second row."""
    one, two = read(b"".join(map(line, SOME)))[0]
    assert beats([one, two]) == {}
    assert opening(one) is not None
    assert opening(two) is None
    (rest,) = read(line(Beaten({"r9": 1}, NOON + timedelta(seconds=1))))[0]
    assert opening(rest) is None
