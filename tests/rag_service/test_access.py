"""The rules of who may read and manage, as a table."""

from __future__ import annotations

import pytest

from rag_service.access import Grant, Owner, Readers, grants_of, may_manage, may_read, owner_of, readers_of
from rag_service.callers import Caller

ANN = Caller("u-ann", "Ann@House.example", ("staff",), "clerk")


@pytest.mark.parametrize(
    ("grant", "reads", "manages"),
    [
        (Grant("owner", "user", "u-ann"), True, True),
        (Grant("owner", "user", "ann@house.example"), True, True),
        (Grant("owner", "user", "u-bob"), False, False),
        (Grant("owner", "group", "staff"), True, False),
        (Grant("reader", "user", "u-ann"), True, False),
        (Grant("reader", "group", "staff"), True, False),
        (Grant("reader", "group", "Staff"), False, False),
        (Grant("reader", "group", "clerk"), False, False),
        (Grant("reader", "group", "u-ann"), False, False),
        (Grant("reader", "assistant", "clerk"), True, False),
        (Grant("reader", "assistant", "staff"), False, False),
        (Grant("reader", "assistant", ""), False, False),
        (Grant("reader", "everyone", ""), True, False),
    ],
)
def test_a_grant_opens_a_collection_to_those_it_names(grant: Grant, reads: bool, manages: bool) -> None:
    """By its kind and its name together."""
    assert (may_read(ANN, [grant]), may_manage(ANN, [grant])) == (reads, manages)


def test_nobody_reads_what_no_grant_opens_but_the_operator() -> None:
    """The operator needs none."""
    assert not may_read(ANN, [])
    assert may_manage(Caller("root", operator=True), [])


def test_an_email_that_is_none_is_not_taken_for_an_id() -> None:
    """Else an account with a made-up e-mail would be somebody else."""
    assert not may_read(Caller("u-eve", "u-ann"), [Grant("owner", "user", "u-ann")])


def test_owners_and_readers_come_back_from_their_rows() -> None:
    """In lower case where that makes no difference."""
    owner, readers = Owner("U-Ann", "Ann@House.example"), Readers(True, ("Bob@x.example",), ("Staff",), ("clerk",))
    rows = grants_of(owner, readers)
    assert owner_of(rows) == Owner("u-ann", "ann@house.example")
    assert readers_of(rows) == Readers(True, ("bob@x.example",), ("Staff",), ("clerk",))
