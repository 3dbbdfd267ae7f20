"""The command `cli seed`: what it prints and how it exits."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from commands.seed import report, seed
from provisioning.change import Change
from tests.provisioning.house import HOUSE, make_house

app = typer.Typer()
app.command()(seed)

MAKE = Change("groups", "create", "plan:free", "Make the group “[Free]”.", {"password": "hunter2"})
NOTE = Change("users", "skip", "a@x.io", "a@x.io is not in Open WebUI yet.")


@pytest.mark.parametrize(
    ("changes", "dry_run", "says", "says_not"),
    [
        ([], False, ["Nothing to do"], ["made"]),
        ([NOTE], False, ["Nothing to do", "not in Open WebUI yet"], ["made"]),
        ([MAKE], False, ["1 change made"], ["hunter2"]),
        ([MAKE, MAKE, NOTE], True, ["“[Free]”", "2 changes would be made", "nothing was changed"], ["hunter2"]),
    ],
)
def test_the_end_of_a_run_is_a_sentence(
    changes: list[Change], dry_run: bool, says: list[str], says_not: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing to do is a result; notes are not counted; markup in a name is shown, a payload never."""
    report(changes, dry_run)

    printed = " ".join(capsys.readouterr().out.split())
    assert [words for words in says if words not in printed] == []
    assert [words for words in says_not if words in printed] == []


def test_a_house_that_is_not_running_is_one_sentence(tmp_path: Path) -> None:
    """The operator reads which part is missing and how to start it; the exit code is 1."""
    secrets = tmp_path / ".maitre" / "secrets"
    secrets.mkdir(parents=True)
    (secrets / "webui_admin_password").write_text("pw")
    make_house(tmp_path, HOUSE)

    result = CliRunner().invoke(app, ["--house", str(tmp_path)])

    assert result.exit_code == 1
    assert "is not running" in result.output
    assert "Traceback" not in result.output


def test_mistakes_in_the_files_exit_with_two(tmp_path: Path) -> None:
    """All mistakes are listed, and nothing is asked of Open WebUI."""
    make_house(tmp_path, HOUSE)
    (tmp_path / "maitre.yaml").write_text(HOUSE.replace("plan: free", "plan: gold").replace("price: 0", "price: -1"))

    result = CliRunner().invoke(app, ["--house", str(tmp_path)])

    assert result.exit_code == 2
    assert "plans.free.price" in result.output
