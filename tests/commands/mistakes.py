"""Mistakes that people make in a house's files: how each is made, where it is found, and words of its message."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import yaml

Broken = Callable[[Path], None]


def edit(**sections: object) -> Broken:
    """Change sections of maitre.yaml; a mapping is merged into the section."""

    def change(house: Path) -> None:
        told = yaml.safe_load((house / "maitre.yaml").read_text("utf-8"))
        for name, value in sections.items():
            told[name] = {**told[name], **value} if isinstance(value, dict) else value
        (house / "maitre.yaml").write_text(yaml.safe_dump(told, allow_unicode=True), "utf-8")

    return change


def write(name: str, text: str | bytes) -> Broken:
    """Put a file into the house."""
    raw = text if isinstance(text, bytes) else text.encode()

    def change(house: Path) -> None:
        (house / name).write_bytes(raw)

    return change


FREE = {"name": "Free", "price": 0}
ADA = {"email": "ada@maitre.example", "name": "Ada"}
LOCAL = {"kind": "openai", "base_url": "http://127.0.0.1:1/v1", "models": {"other": {}}}


def assistant(front: str, prompt: str = "Hi.", file: str = "x.md") -> Broken:
    """Put an assistant into the house."""
    return write(f"assistants/{file}", f"---\n{front}\n---\n{prompt}\n")


def free(**limits: object) -> Broken:
    """Change the plan."""
    return edit(plans={"free": {**FREE, **limits}})


def cloud(**fields: object) -> Broken:
    """Add a provider."""
    return edit(providers={"cloud": {**LOCAL, **fields}})


#: A mistake, the file and path that are named, and words of the message.
MISTAKES: dict[str, tuple[Broken, str, str]] = {
    "broken-yaml": (write("maitre.yaml", "plans: [free\nusers: 5\n"), "maitre.yaml: line 2", "broken YAML"),
    "no-utf-8": (write("maitre.yaml", b"domain: \xff\xfe\n"), "maitre.yaml: byte 8", "UTF-8"),
    "empty": (write("maitre.yaml", ""), "maitre.yaml: the file", "empty"),
    "no-mapping": (write("maitre.yaml", "- a\n- b\n"), "maitre.yaml: the file", "fields with values"),
    "yaml-tag": (write("maitre.yaml", "domain: !!python/object:os.system x\n"), "maitre.yaml: line 1", "broken YAML"),
    "unknown-key": (edit(colour="red"), "maitre.yaml: colour", "not permitted"),
    "unknown-plan": (edit(users=[{**ADA, "plan": "gold"}]), "maitre.yaml: users.0.plan", "“gold”"),
    "unknown-default-plan": (edit(default_plan="gold"), "maitre.yaml: default_plan", "“gold”"),
    "unknown-group": (edit(users=[{**ADA, "groups": ["x"]}]), "maitre.yaml: users.0.groups", "“x”"),
    "unknown-model": (free(models=["gpt"]), "maitre.yaml: plans.free.models", "“gpt”"),
    "unknown-zone": (edit(time_zone="Mars/Olympus"), "maitre.yaml: time_zone", "Mars/Olympus"),
    "unknown-language": (edit(language="la"), "maitre.yaml: language", "'en'"),
    "negative-limit": (free(tokens_per_day=-1), "maitre.yaml: plans.free.tokens_per_day", "0"),
    "text-limit": (free(tokens_per_day="many"), "maitre.yaml: plans.free.tokens_per_day", "integer"),
    "negative-price": (
        edit(prices={"models": {"smollm2": {"input": "-1", "output": "1"}}}),
        "maitre.yaml: prices.models.smollm2.input",
        "0",
    ),
    "zero-answer": (free(max_answer_tokens=0), "maitre.yaml: plans.free.max_answer_tokens", "1"),
    "no-e-mail": (edit(users=[{"name": "Ada"}]), "maitre.yaml: users.0.email", "required"),
    "odd-e-mail": (edit(users=[{**ADA, "email": "ada"}]), "maitre.yaml: users.0.email", "pattern"),
    "same-e-mail": (edit(users=[ADA, {**ADA, "email": "Ada@Maitre.example"}]), "maitre.yaml: users.1.email", "twice"),
    "key-in-the-file": (cloud(api_key="sk-123"), "maitre.yaml: providers.cloud.api_key", "secret:NAME"),
    "missing-secret": (cloud(api_key="secret:cloud"), "maitre.yaml: providers.cloud.api_key", ".maitre/secrets/cloud"),
    "odd-url": (cloud(base_url="ftp://x"), "maitre.yaml: providers.cloud.base_url", "http"),
    "duplicate-slug": (
        assistant("name: Copy\nslug: general\nmodel: smollm2", file="copy.md"),
        "assistants/general.md: slug",
        "“general”",
    ),
    "odd-slug": (
        assistant("name: Big\nmodel: smollm2", file="Big One.md"),
        "assistants/Big One.md: slug",
        "lower-case",
    ),
    "no-model": (assistant("name: X"), "assistants/x.md: model", "required"),
    "no-front-matter": (write("assistants/x.md", "Hi.\n"), "assistants/x.md: the file", "front matter"),
    "broken-front-matter": (assistant("name: ["), "assistants/x.md: line", "broken YAML"),
    "no-prompt": (assistant("name: X\nmodel: smollm2", ""), "assistants/x.md: the prompt", "empty"),
    "prompt-no-utf-8": (
        write("assistants/x.md", b"---\nname: X\nmodel: smollm2\n---\n\xff\n"),
        "assistants/x.md: the prompt",
        "UTF-8",
    ),
    "bad-schema": (
        assistant("name: X\nmodel: smollm2\njson_answer: true\njson_schema: {type: 5}"),
        "assistants/x.md: json_schema",
        "5",
    ),
}
