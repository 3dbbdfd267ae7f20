"""What `cli deploy` and `cli rollback` share: the plan on the screen, the question, and the way under the lock."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal, Self

import typer
from rich.live import Live
from rich.markup import escape
from rich.text import Text

from commands.output import console, errors
from maitre.errors import HouseError

if TYPE_CHECKING:
    from compose.deploy.plan import Change, Plan
    from compose.deploy.releases import Contents, Release
    from compose.deploy.steps import Step
    from compose.workshop import Workshop

STYLES = {
    "create": "green",
    "change": "yellow",
    "restart": "yellow",
    "start": "yellow",
    "reload": "yellow",
    "run": "green",
    "remove": "red",
    "keep": "dim",
}


@contextmanager
def _going_on() -> Iterator[None]:
    """Whoever read may have gone: the terminal, or the program after the pipe. Then rich tells nobody any more, and
    wants to end the program; but half a deploy helps nobody."""
    try:
        yield
    except (OSError, SystemExit):
        console.quiet = True


class Progress:
    """Hears of the steps of a deploy within its block, and prints a line at the end of each, and what a rollout says.
    On a terminal the step that runs is shown with its seconds and its last words, which a pipe finds in the log."""

    def __init__(self, quiet: bool) -> None:
        self.quiet, self.since = quiet, time.monotonic()
        self._name, self._words = "", ""
        self._live: Live | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *ended: object) -> None:
        self._hide()

    def __call__(self, step: Step, event: Literal["begins", "done", "failed", "says"], text: str) -> None:
        """A step's event."""
        if self.quiet:
            return
        if event == "says":
            self._words = text.strip() or self._words
        elif event == "begins":
            self.since, self._name, self._words = time.monotonic(), step.name, ""
            self._show(step)
        else:
            self._hide()
            mark = "[green]✓[/]" if event == "done" else "[red]✗[/]"
            took = f" [dim]{time.monotonic() - self.since:.1f} s[/]"
            self._print(f"{mark} {escape(step.name)}{took}")

    def said(self, sentence: str) -> None:
        """How far a step is, for whoever waits for it."""
        if not self.quiet:
            self._print(f"[dim]  {escape(sentence)}[/]")

    def _print(self, line: str) -> None:
        with _going_on():
            console.print(line, highlight=False)

    def _show(self, step: Step) -> None:
        if console.is_terminal:
            self._live = Live(console=console, get_renderable=self._line, refresh_per_second=4, transient=True)
            self._live.start()
        elif step.kind in ("build", "pull"):
            self._print(f"… {escape(step.name)}; it may take minutes")

    def _hide(self) -> None:
        live, self._live = self._live, None
        if live:
            with _going_on():
                live.stop()

    def _line(self) -> Text:
        seconds = f"{time.monotonic() - self.since:.0f} s"
        parts = (("… ", "yellow"), self._name, (f" {seconds}  {self._words}", "dim"))
        return Text.assemble(*parts, no_wrap=True, overflow="ellipsis")


def show_plan(plan: Plan, steps: tuple[Step, ...], commands: bool) -> None:
    """Print what changes and why; `commands`: the steps too, each with its command."""
    kept = [one.service for one in plan.changes if one.kind == "keep"]
    for change in plan.work:
        style = STYLES[change.kind]
        console.print(
            f"[{style}]{change.kind:<8}[/] {escape(change.service):<16} {escape(change.why)}", highlight=False
        )
    if kept:
        console.print(f"[dim]keep     {escape(', '.join(kept))}[/]", highlight=False)
    if not plan.work and not commands:
        for step in steps:
            console.print(f"{step.name}: {step.why}", markup=False, highlight=False)
    if commands and steps:
        console.print("\nThe steps:", highlight=False)
        show_steps(steps)


def show_steps(steps: tuple[Step, ...]) -> None:
    """Print each step with its command."""
    for number, step in enumerate(steps, 1):
        into = f" > {shlex.quote(step.into)}" if step.into else ""
        console.print(f"{number:>3}. {step.name}: {step.why}", markup=False, highlight=False)
        if step.argv:
            console.print(f"     {shlex.join(step.argv)}{into}", markup=False, highlight=False, soft_wrap=True)


def plain(plan: Plan, steps: tuple[Step, ...]) -> dict[str, Any]:
    """The plan and its steps, for machines."""
    return {"changes": [asdict(one) for one in plan.changes], "steps": [asdict(one) for one in steps]}


def confirm(yes: bool, question: str) -> None:
    """Ask, unless that was answered already. Raises HouseError where nobody can be asked, Exit on a no."""
    if yes:
        return
    _must_hear()
    if not typer.confirm(question):
        console.print("Nothing has been changed.")
        raise typer.Exit(0)


def ask_name(yes: bool, project: str, about: str) -> None:
    """Ask for the project's name before it goes. Raises HouseError where nobody can be asked, or on another name."""
    if yes:
        return
    _must_hear()
    if typer.prompt(f"This removes {project}; {about}. Type its name").strip() != project:
        raise HouseError("That is another name; nothing has been removed.")


def _must_hear() -> None:
    if not sys.stdin.isatty():
        raise HouseError("Nobody can be asked here; say --yes if you mean it.")


def go(
    workshop: Workshop,
    id: str,
    what: str,
    contents: Callable[[], Contents],
    agreed: tuple[Change, ...],
    *,
    back: bool = False,
    only: tuple[str, ...] = (),
    quiet: bool = False,
) -> Release:
    """Go the agreed way to these contents as release `id`, under the house's lock; `back`: they are an earlier one's.
    Raises HouseError when the house has changed since the plan was shown; Exit when the operator broke it off."""
    from compose.deploy.deploy import Stopped
    from devstack.interrupt import interruptions

    with workshop.locked(what), interruptions() as stop, Progress(quiet) as progress:
        deploy = workshop.deploy(progress, stop, progress.said)
        target = deploy.site.target(contents(), deploy.engine.containers())
        dump = None if back else workshop.dump(id, target)
        plan, way = deploy.way(target, staged=workshop.staged(id), dump=dump, back=back, only=only)
        if plan.work != agreed:
            raise HouseError("The house has changed since the plan was made; nothing has been done. Run it again.")
        try:
            return deploy.go(workshop.release(id, what, target), target, way, back=back)
        except Stopped as stopped:
            errors.print(str(stopped), markup=False)
            raise typer.Exit(130) from None
