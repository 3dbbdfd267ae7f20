"""The steps from what runs to what should, in order: images, files, the dump, then each service after what it needs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from compose.deploy import steps
from compose.deploy.plan import Change, Plan
from compose.deploy.steps import Compose, Step
from compose.deploy.wanted import Wanted, is_here
from compose.render.postgres_init import SCRIPT
from compose.render.secret_copy import Copy
from compose.running import Running

#: The jobs that change tables; a dump precedes the first of them.
MIGRATIONS = ("migrate", "migrate_rag")
#: The jobs that run on a way back too, each as the earlier release has it, with what they write and it takes back.
#: Tables only expand, and models that are there stay.
TAKEN_BACK = {"seed": "the plans, the assistants and Open WebUI's settings"}
#: What whoever signs in to Valkey reads.
_PASSWORD = "secret:valkey_password"
#: Seconds until a service must be healthy that asks for no more, and those that a removed one gets to end whose
#: definition does not tell.
PATIENCE, GRACE = 300, 60


@dataclass(frozen=True, slots=True)
class Target:
    """What a deploy aims at: the rendered files by their path in the stack's folder, with our labels, the services read
    from them, and the copies of secrets that these read. `before`: the services of the release that runs; `done`: the
    jobs, with the `mark` they last ran by; `watched`: files that differ on the disk and that a service watches, with
    the service; `amiss`: what else on the disk is not as the release has it, by its path in the stack's folder;
    `migrations`: those that each job applies."""

    files: Mapping[str, str]
    copies: Mapping[str, Copy]
    services: Mapping[str, Wanted]
    before: Mapping[str, Mapping[str, object]]
    done: Mapping[str, str]
    watched: Mapping[str, str]
    migrations: Mapping[str, tuple[str, ...]]
    amiss: tuple[str, ...] = ()


def course(
    plan: Plan,
    target: Target,
    running: Running,
    compose: Compose,
    *,
    staged: Compose,
    images: Collection[str],
    dump: str | None,
) -> tuple[Step, ...]:
    """The steps of a plan. `staged`: Compose on the new release's file, which is not yet the house's; `images`: those
    that are here; `dump`: the file that a dump of the databases goes to, None when there is nothing to be afraid for.
    A plan that changes nothing has no step, unless the files on the disk are not the release's."""
    if not plan.work:
        if not target.amiss:
            return ()
        return rest(target, running, compose, f"not as it was deployed: {', '.join(target.amiss)}")
    return (
        *_fetched(plan, target, staged, images),
        steps.write("the files that the containers read"),
        *_steps(plan, target, running, compose, dump),
    )


def rest(
    target: Target, running: Running, compose: Compose, why: str = "the rest of an unfinished deploy"
) -> tuple[Step, ...]:
    """What a deploy that was broken off may have left undone, where no container has to change."""
    return (
        steps.write(why),
        *([steps.roles(compose)] if SCRIPT in target.files and running.of("postgres") else []),
        *([steps.password(compose, alone=True)] if steps.PASSWORD in target.files and running.of("valkey") else []),
    )


def missing(plan: Plan, target: Target, images: Collection[str]) -> dict[str, Wanted]:
    """The images that the plan needs and that are not here, each with a service that is made of it."""
    touched = [target.services[one.service] for one in plan.work if one.kind not in ("remove", "reload")]
    return {one.image: one for one in sorted(touched, key=lambda one: one.name) if not is_here(one.image, images)}


def _fetched(plan: Plan, target: Target, staged: Compose, images: Collection[str]) -> Iterator[Step]:
    lacking = missing(plan, target, images)
    if built := {image: one.name for image, one in lacking.items() if one.built}:
        yield steps.build(staged, tuple(built.values()), f"not here yet: {', '.join(built)}")
    if pulled := {image: one.name for image, one in lacking.items() if not one.built}:
        yield steps.pull(staged, tuple(pulled.values()), f"not here yet: {', '.join(pulled)}")


def _steps(plan: Plan, target: Target, running: Running, compose: Compose, dump: str | None) -> Iterator[Step]:
    migrations = [one.service for one in plan.work if one.service in MIGRATIONS]
    told = SCRIPT not in target.files  # Postgres, of its roles: before anybody who signs in to it is started
    if not told and running.of("postgres") and "postgres" not in {one.service for one in plan.work}:
        told = True
        yield steps.roles(compose)
    opening = _hears(plan, target, running)
    if opening:
        yield steps.password(compose, alone=False)
    for change in plan.work:
        one = target.services.get(change.service)
        if dump is not None and change.service in migrations[:1]:
            yield steps.dump(compose, dump, "the tables may change")
        if change.kind == "remove":
            names = tuple(one.name for one in running.of(change.service))
            yield from steps.remove(change.service, names, change.why, _grace(target.before.get(change.service, {})))
        elif change.kind != "reload" and one is not None:
            yield from _change(change, one, running, compose)
            if one.beside and change.kind == "start":
                yield steps.write(f"Traefik is told which containers serve {one.name}", f"name {one.name}'s servers")
            if one.name == "postgres" and not told:
                yield steps.roles(compose)
    if opening and _clients(target) <= {change.service for change in plan.changes}:
        yield steps.password(compose, alone=True)


def _hears(plan: Plan, target: Target, running: Running) -> bool:
    """Whether Valkey, which goes on, must be told its password because somebody is started who signs in to it."""
    touched = {one.service for one in plan.work}
    here = steps.PASSWORD in target.files and bool(running.of("valkey")) and "valkey" not in touched
    return here and any(_PASSWORD in target.services[name].reads for name in touched & {*target.services})


def _clients(target: Target) -> set[str]:
    """The services that stay signed in to Valkey. One that a deploy leaves out may have the old password still."""
    return {name for name, one in target.services.items() if _PASSWORD in one.reads and not one.job}


def _grace(before: Mapping[str, object]) -> int:
    """The seconds that a service's old definition gives it to end; what drains needs them."""
    return int(str(before.get("stop_grace_period", f"{GRACE}s")).removesuffix("s"))


def _change(change: Change, one: Wanted, running: Running, compose: Compose) -> Iterator[Step]:
    serving, patience = len(running.of(one.name)), max(PATIENCE, one.patience)
    if change.kind == "run":
        yield steps.job(compose, one.name, change.why, cut=one.name not in MIGRATIONS)
    elif change.kind == "start" and not (one.beside and serving > one.replicas):
        yield steps.scale(compose, one.name, change.why, one.replicas, patience)
    elif one.beside and serving:
        yield steps.roll(compose, one.name, change.why, one.replicas, serving, patience)
    else:
        yield steps.up(compose, one.name, change.why, one.replicas, patience)


def restarting(chosen: Sequence[Wanted], running: Running, compose: Compose) -> tuple[Step, ...]:
    """The steps that start services anew as they are."""
    asked = (Change(one.name, "restart", "asked for") for one in chosen)
    return tuple(
        step for one, change in zip(chosen, asked, strict=True) for step in _change(change, one, running, compose)
    )
