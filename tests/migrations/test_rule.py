"""Migrations only expand, or say why they may do more."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from maitre.sql.postgres import migrations as of_the_house
from maitre.sql.statements import statements
from rag_service.database import migrations as of_the_rag_service
from tests.migrations.rule import mistakes

ROOT = Path(__file__).parent.parent.parent

#: The last migrations of before there was a rule: no house runs two releases of them.
BEFORE = {"house": "0010", "rag service": "0005"}
FILES = {
    f"{whose} {name}": text
    for whose, files in (("house", of_the_house()), ("rag service", of_the_rag_service()))
    for name, text in files.items()
    if name[:4] > BEFORE[whose]
}


def released() -> set[str]:
    """The versions that the changelog has a section of."""
    return set(re.findall(r"^## \[(\d[^]]*)\]", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE))


def test_the_houses_own_migrations_follow_the_rule() -> None:
    """All since there is a rule."""
    found = {name: list(mistakes(text, released())) for name, text in FILES.items()}
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


GOOD = {
    "a table": "create table a (x text not null unique);",
    "a nullable column": "alter table ledger add column x text;",
    "a column with a default": "alter table ledger add column x text not null default 'drop table', add y int;",
    "a generated column": "alter table ledger add column x int not null generated always as (1) stored;",
    "an index": "create index i on ledger (x); drop index j;",
    "anything with a table of the same file": "create table a (x int); alter table a drop x; update a set y = 1;",
    "words in texts and bodies": "create function f() returns text as $$ drop table ledger; $$ language sql;",
    "words in comments": "-- drop table ledger;\nselect 1 /* rename */;",
    "what is looser than before": "alter table ledger alter column x drop not null;",
    "a marked expansion": "-- expansion: the list only grew\nalter table ledger drop constraint c;",
    "a contraction in time": "-- contraction since 1.2.0\nalter table ledger drop column x;",
}
BAD = {
    "a table goes": ("drop table ledger;", "line 1 drops what an earlier release may use: drop table ledger"),
    "a column goes": ("alter table ledger\n  drop column x;", "line 1 drops what"),
    "a name": ("\n\nalter table ledger rename column x to y;", "line 3 renames"),
    "a type": ("alter table ledger alter column x type bigint;", "changes the type"),
    "a column that must be filled": ("alter table ledger add a int, add column b text not null;", "does not fill in"),
    "a stricter column": ("alter table ledger alter column x set not null;", "refuses rows"),
    "a check": ("alter table ledger add constraint c check (x > 0) not valid;", "refuses rows"),
    "a check on a column": ("alter table ledger add column x int check (x > 0);", "refuses rows"),
    "a unique index": ("create unique index i on ledger (x);", "refuses rows"),
    "a default goes": ("alter table ledger alter x drop default;", "count on"),
    "rows": ("update plans set spec = '{}';", "changes rows"),
    "a right": ("revoke select on ledger from rag;", "takes a right"),
    "too early": ("-- contraction since 1.3.0\ndrop table a;", "line 2: 1.3.0 is not out yet"),
    "no reason": ("-- expansion:\ndrop table a;", "drops what"),
}


@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD.keys())
def test_what_an_earlier_release_lives_with(text: str) -> None:
    """It never notices, or somebody said why it may be."""
    assert list(mistakes(text, {"1.2.0"})) == []


@pytest.mark.parametrize(("text", "sentence"), BAD.values(), ids=BAD.keys())
def test_what_it_may_not_live_with(text: str, sentence: str) -> None:
    """One sentence, with the line and the statement."""
    (wrong,) = mistakes(text, {"1.2.0"})
    assert sentence in wrong


def test_a_file_is_taken_apart_into_its_statements() -> None:
    """At semicolons that end one: not those in texts, names, bodies and comments. Lines are counted."""
    text = """-- first; a comment
create table "a;b" (x text default 'it''s; fine'); select 1;

/* more;
lines */ create function f() returns trigger language plpgsql as $do$
begin update a set x = $$;$$; return null; end $do$;
-- the end;
"""
    found = list(statements(text))
    assert [(one.line, one.text.split()[1]) for one in found] == [(2, "table"), (2, "1"), (5, "function")]
    assert found[0].comments == "-- first; a comment"
    assert found[2].text.endswith("end $do$")
    assert found[2].outline == "create function f() returns trigger language plpgsql as $do$ begin update a set…"


def test_every_migration_is_taken_apart_without_a_loss() -> None:
    """What is left out are comments, semicolons and blanks."""
    for text in [*of_the_house().values(), *of_the_rag_service().values()]:
        apart = "".join("".join(one.text.split()) for one in statements(text))
        assert apart == "".join(re.sub(r"--[^\n]*", "", text).split()).replace(";", "") or ";" in apart
