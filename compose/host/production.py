"""What the recommendations say of one house: done, not done, or nothing that applies to it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from compose.host.machine import GB, ROUNDED, Machine
from compose.host.recommendations import Recommendation
from compose.host.sizing import Needs
from compose.stack.service import Service
from compose.stack.settings import Stack

State = Literal["done", "not done", "does not apply"]


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a house. No secret is in it: only their names."""

    stack: Stack
    machine: Machine
    needs: Needs
    models: tuple[str, ...] = ()  # that Ollama serves
    services: Mapping[str, Service] = field(default_factory=dict)  # of the house's profiles
    missing_secrets: tuple[str, ...] = ()
    open_secrets: tuple[str, ...] = ()  # that others on the host may read
    same_secrets: tuple[str, ...] = ()  # with a value that another one has too
    ollama_calls: tuple[int | None, ...] = ()  # of each provider of the kind `ollama`: calls at once
    traced: bool = False  # whether traces go to a Langfuse, the stack's or another


@dataclass(frozen=True, slots=True)
class Advice:
    """One recommendation and how this house stands to it. `seen` says what was looked at or why it is so; `remedy` what
    to do about what is not done."""

    id: int
    what: str
    state: State
    seen: str
    remedy: str = ""


#: What is known of a house, to how it stands to a recommendation: state, what was seen, remedy.
Check = Callable[[Known], tuple[State, str, str]]


def evaluate(rows: Sequence[Recommendation], known: Known) -> Iterator[Advice]:
    """How the house stands to each recommendation, in their order."""
    for row in rows:
        if row.answer in ("later", "without"):
            state: State = "not done" if row.answer == "later" else "does not apply"
            yield Advice(row.id, row.what, state, row.why, "")
        elif row.check:
            yield Advice(row.id, row.what, *CHECKS[row.check](known))
        else:
            yield Advice(row.id, row.what, "done", row.why or ", ".join(row.where))


def _secrets(known: Known) -> tuple[State, str, str]:
    if known.missing_secrets:
        return "not done", f"missing: {', '.join(known.missing_secrets)}", "cli init"
    if known.open_secrets:
        return "not done", f"others may read: {', '.join(known.open_secrets)}", "chmod go= on them, then rotate them"
    return "done", "files of mode 600", ""


def _unique(known: Known) -> tuple[State, str, str]:
    if known.same_secrets:
        return "not done", f"the same value: {', '.join(known.same_secrets)}", "cli secrets rotate NAME"
    return "done", "no two are the same", ""


def _store_passwords(known: Known) -> tuple[State, str, str]:
    missing = [name for name in known.missing_secrets if name.startswith("valkey")]
    return ("not done", f"missing: {', '.join(missing)}", "cli init") if missing else ("done", "each store has one", "")


def _dashboard(known: Known) -> tuple[State, str, str]:
    access = known.stack.access.get("dashboard", "basic_auth")
    if access == "public":
        return "not done", "stack.access.dashboard is public", "take the line out: the default is basic_auth"
    return "done", access, ""


def _models_private(known: Known) -> tuple[State, str, str]:
    models = {name: one for name, one in known.services.items() if name.startswith(("ollama", "vllm"))}
    shown = [name for name, one in models.items() if one.route and one.route.public]
    return ("not done", f"public: {', '.join(shown)}", "take the route away") if shown else ("done", "no route", "")


def _health(known: Known) -> tuple[State, str, str]:
    without = [name for name, one in known.services.items() if one.health is None and not one.job]
    if without:
        return "not done", f"without: {', '.join(without)}", "give its file in compose/services a `health`"
    return "done", f"{len(known.services)} services", ""


def _ollama_instances(known: Known) -> tuple[State, str, str]:
    count = known.stack.ollama.instances
    if count == 1:
        return "does not apply", "one is enough until its line is long (`cli queue`)", "stack.ollama.instances"
    return "done", f"{count} instances", ""


def _ollama_parallel(known: Known) -> tuple[State, str, str]:
    if not known.ollama_calls:
        return "does not apply", "no provider of the kind ollama", ""
    if None in known.ollama_calls:
        return "not done", "a provider of the kind ollama has no max_concurrent", "set it to the slots of one instance"
    return "done", f"max_concurrent: {', '.join(map(str, known.ollama_calls))}", ""


def _model_memory(known: Known) -> tuple[State, str, str]:
    if known.stack.ollama.gpu or not known.models:
        where = "in the GPU's memory" if known.models else "elsewhere"
        return "does not apply", f"the models are {where}", ""
    models = f"its models {known.needs.models:.1f} of it"
    seen = f"{known.machine.memory / GB:.0f} GB; the house needs {known.needs.memory:.0f}, {models}"
    if known.needs.unknown:
        seen += f", and what these take is not known: {', '.join(known.needs.unknown)}"
    if known.machine.memory / GB < known.needs.memory * ROUNDED:
        return "not done", seen, "choose smaller models, or a host with more memory"
    return "done", seen, ""


def _models(known: Known) -> tuple[State, str, str]:
    seen = ", ".join(known.models)
    if not known.models:
        return "does not apply", "the house has no Ollama of its own", ""
    if known.needs.slow and not known.stack.ollama.gpu:
        return "not done", f"slow on a CPU: {', '.join(known.needs.slow)}", "stack.ollama.models: [llama3.2:3b, …]"
    return "done", seen, ""


def _huge_pages(known: Known) -> tuple[State, str, str]:
    reserved, free = known.machine.huge_pages, known.machine.huge_free
    if reserved and reserved == free:
        return "not done", f"{reserved} are reserved and used by nobody", "sysctl vm.nr_hugepages=0"
    return "done", f"{reserved} reserved; transparent ones: {known.machine.transparent or 'none'}", ""


def _swap(known: Known) -> tuple[State, str, str]:
    if not known.machine.swap:
        return "done", "off", ""
    return "not done", f"{known.machine.swap / GB:.1f} GB", "swapoff -a, and take it out of /etc/fstab"


def _postgres(known: Known) -> tuple[State, str, str]:
    postgres = known.services.get("postgres")
    settings = postgres.settings if postgres else {}
    return "done", ", ".join(f"{name}={value}" for name, value in settings.items()) or "as its size says", ""


def _memory(known: Known) -> tuple[State, str, str]:
    asked = sum(in_bytes(one.limits.memory) * one.replicas for one in known.services.values() if not one.job)
    seen = f"all limits together {asked / GB:.0f} GB, the host {known.machine.memory / GB:.0f} GB"
    if asked > known.machine.memory * 2:
        return "not done", seen, "lower them in stack.services, or give the host more memory"
    return "done", seen, ""


def _cloudflare(known: Known) -> tuple[State, str, str]:
    if not known.stack.cloudflare:
        return "does not apply", "the house is not behind Cloudflare (stack.cloudflare)", ""
    return "done", "its addresses are trusted; its rules cannot be seen from here", "docs/install.md"


def _tracing(known: Known) -> tuple[State, str, str]:
    if "langfuse" in known.stack.profiles:
        return "done", "profile langfuse", ""
    if known.traced:
        return "done", "a Langfuse elsewhere", ""
    return "not done", "no Langfuse", "stack.profiles: [langfuse]"


CHECKS: Mapping[str, Check] = {
    "cloudflare": _cloudflare,
    "dashboard": _dashboard,
    "health": _health,
    "huge_pages": _huge_pages,
    "memory": _memory,
    "model_memory": _model_memory,
    "models": _models,
    "models_private": _models_private,
    "ollama_instances": _ollama_instances,
    "ollama_parallel": _ollama_parallel,
    "postgres": _postgres,
    "secrets": _secrets,
    "store_passwords": _store_passwords,
    "swap": _swap,
    "tracing": _tracing,
    "unique_secrets": _unique,
}

_UNITS = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


def in_bytes(amount: str) -> int:
    """An amount as Compose writes it (`512m`, `1.5g`, with or without a `b`), in bytes."""
    text = amount.strip().lower().removesuffix("b")
    unit = _UNITS.get(text[-1:], 1)
    return int(float(text.rstrip("kmg")) * unit)
