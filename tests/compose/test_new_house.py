"""`cli init --stack`: the example's files for containers on a server."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from cli import app
from compose.new_house import Wish, new_house, replaced
from compose.render.rendered import rendered
from compose.stack.wishes import read_stack
from devstack import scaffold
from maitre.settings import load_house

EXAMPLE = {name: text.decode() for name, text in scaffold.example().items()}
WISHES = [
    Wish("example.com", "you@example.com", "small", "llama3.2:1b", "nomic-embed-text"),
    Wish("house.localhost", "admin@house.localhost", "gpu", "llama3.1:8b", "nomic-embed-text"),
]


def run(*words: str) -> Result:
    """Run `cli init`."""
    return CliRunner().invoke(app, ["init", *words])


@pytest.mark.parametrize("wish", WISHES, ids=lambda wish: wish.size)
def test_only_what_a_stack_wants_otherwise_is_changed(wish: Wish) -> None:
    """The names of the models everywhere, and a few sections; plans, prices, tools and knowledge are the example's."""
    made = new_house(EXAMPLE, wish)
    assert set(made) == set(EXAMPLE)
    before, after = (yaml.safe_load(files["maitre.yaml"]) for files in (EXAMPLE, made))
    assert set(before) - set(after) == {"groups"}
    assert set(after) - set(before) == {"stack"}
    renamed = yaml.safe_load(EXAMPLE["maitre.yaml"].replace("smollm2", "llama").replace(" e5:", " nomic:"))
    changed = {name for name in after if after[name] != renamed.get(name)}
    assert changed == {"domain", "providers", "rag", "stack", "users"}
    assert "smollm2" not in "".join(made.values())


@pytest.mark.parametrize("wish", WISHES, ids=lambda wish: wish.size)
def test_comments_stay_in_their_column(wish: Wish) -> None:
    """A renamed model moves no comment."""
    for line in new_house(EXAMPLE, wish)["maitre.yaml"].splitlines():
        key, mark, _ = line.partition("  #")
        if key.strip() and mark and not line.startswith("#"):
            assert len(key.rstrip()) > 26 or line.index("#", 1) == 29, line


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("a: 1\nb:\n  c: 2\n\n  d: 3\n\ne: 4\n", "a: 1\nNEW\n\ne: 4\n"),
        ("a: 1\n# b:    # why\n#   c: 2\n\n# e: 4\n", "a: 1\nNEW\n\n# e: 4\n"),
        ("b: 1\na: 2\n", "NEW\na: 2\n"),
    ],
)
def test_a_section_is_replaced_whole(text: str, made: str) -> None:
    """With the empty lines in it, also where it is a comment; nothing after it."""
    assert replaced(text, "b", "NEW\n") == made


@pytest.mark.parametrize(
    ("words", "size", "tls"),
    [
        (("--stack", "example.com", "--email", "You@example.com"), "small", "letsencrypt-http"),
        (("--stack", "example.com", "--gpu"), "gpu", "letsencrypt-http"),
        (("--stack", "house.localhost"), "small", "none"),
    ],
)
def test_the_made_house_renders(words: tuple[str, ...], size: str, tls: str, tmp_path: Path) -> None:
    """Without a mistake, by each way of asking; the second time it is refused, and nothing changes."""
    done = run(*words, "--house", str(tmp_path))
    assert done.exit_code == 0, done.output
    assert "`cli deploy` starts it" in done.output
    house = load_house(tmp_path)
    stack, _ = read_stack(house)
    assert (stack.size, stack.tls.kind) == (size, tls)
    assert [user.role for user in house.users] == ["admin"]
    assert "compose.yaml" in rendered(house, {})
    before = (tmp_path / "maitre.yaml").read_bytes()
    again = run(*words, "--house", str(tmp_path))
    assert again.exit_code == 1
    assert "There is a house in" in again.output
    assert (tmp_path / "maitre.yaml").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--stack", "https://example.com"), "is no domain"),
        (("--stack", "Example.com"), "is no domain"),
        (("--stack", "localhost"), "is no domain"),
        (("--gpu",), "are for a server's house"),
        (("--email", "you@example.com"), "are for a server's house"),
        (("--stack", "example.com", "--email", "you"), "is no e-mail address"),
        (("--stack", "example.com", "--email", 'a"b@example.com'), "is no e-mail address"),
    ],
)
def test_what_cannot_be_leaves_nothing_behind(words: tuple[str, ...], said: str, tmp_path: Path) -> None:
    """One sentence, before a file is written."""
    done = run(*words, "--house", str(tmp_path))
    assert done.exit_code == 1
    assert said in done.output
    assert list(tmp_path.iterdir()) == []
