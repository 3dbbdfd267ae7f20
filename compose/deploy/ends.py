"""How a house is left by a deploy that came to neither end, in sentences that say what to run."""

from __future__ import annotations

from compose.deploy.course import TAKEN_BACK
from compose.deploy.releases import Release, finishing
from compose.deploy.steps import Step
from maitre.errors import HouseError


def left(release: Release, current: str | None, away: HouseError) -> str:
    """How a house is left whose engine went away in the middle."""
    at = f"after “{release.reached[-1]}”" if release.reached else "before its first step had ended"
    undo = "rollback" if current else "destroy"
    return (
        f"{away} The {release.what} broke off {at}, and what runs has been left as it is; once Docker answers, "
        f"`{finishing(release)}` finishes it, `cli {undo}` undoes it."
    )


def half(back_to: str | None, job: Step, why: str, again: str) -> str:
    """How a house is left where only a job at the end of a way back has failed."""
    return (
        f"Containers and files are back as in release {back_to}, but {TAKEN_BACK[job.service]}, which `{job.service}` "
        f"writes, are not{why or '.'}\nMend it, then run `cli {again}`: it runs `{job.service}` of that release again."
    )
