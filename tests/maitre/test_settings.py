"""A house read from its files: every mistake is one line `file: path: message`, and all come at once."""

from __future__ import annotations

import json
import shutil
from dataclasses import fields
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from maitre import settings
from maitre.assistants.assistant import Assistant
from maitre.errors import ConfigError, HouseError
from maitre.house import assistant_forms, forms
from maitre.quota.plan import Plan
from maitre.quota.window import WINDOWS
from maitre.routing.routing import Routing, Rule, Way
from maitre.settings import Endpoint, find_house, load_house

ROOT = Path(__file__).parents[2]
CASES = ROOT / "tests" / "cases" / "settings"
GENERAL = "---\nname: General\nmodel: small\n---\nHelp.\n"


def cases(file: str) -> list[Any]:
    """The cases of a file, by their names."""
    return [pytest.param(case, id=case["name"]) for case in yaml.safe_load((CASES / file).read_text("utf-8"))]


def write(folder: Path, case: dict[str, Any]) -> Path:
    """The sound house, spoilt as the case says."""
    text = (CASES / "house.yaml").read_text("utf-8") + case.get("append", "")
    if "replace" in case:
        old, new = case["replace"]
        assert old in text
        text = text.replace(old, new)
    if "set" in case or "drop" in case:
        house = yaml.safe_load(text)
        for path, value in case.get("set", {}).items():
            at(house, path.split("/")[:-1])[key_of(path)] = value
        for path in case.get("drop", ()):
            del at(house, path.split("/")[:-1])[key_of(path)]
        text = yaml.safe_dump(house, allow_unicode=True)
    (folder / "assistants").mkdir(parents=True, exist_ok=True)
    (folder / "maitre.yaml").write_text(text, "utf-8")
    (folder / "assistants" / "general.md").write_text(GENERAL, "utf-8")
    (folder / ".maitre" / "secrets").mkdir(parents=True, exist_ok=True)
    for name in case.get("folders", ()):
        (folder / name).mkdir()
    for name, content in case.get("files", {}).items():
        (folder / name).write_text(content, "utf-8")
    for name, content in case.get("hex", {}).items():
        (folder / name).write_bytes(bytes.fromhex(content))
    return folder


def key_of(path: str) -> Any:
    """The last step of a path; digits are places in a list."""
    last = path.rsplit("/", 1)[-1]
    return int(last) if last.isdigit() else last


def at(value: Any, steps: list[str]) -> Any:
    """What lies at the end of the steps."""
    for step in steps:
        value = value[int(step) if step.isdigit() else step]
    return value


@pytest.mark.parametrize("case", [*cases("structure.yaml"), *cases("references.yaml"), *cases("files.yaml")])
def test_a_mistake_is_named_exactly(case: dict[str, Any], tmp_path: Path) -> None:
    """Which file, which path in it, what is wrong: one line each, and no mistake hides another."""
    with pytest.raises(ConfigError) as wrong:
        load_house(write(tmp_path, case))
    assert list(wrong.value.problems) == case["problems"]
    assert str(wrong.value) == "\n".join(case["problems"])


@pytest.mark.parametrize("case", cases("subtle.yaml"))
def test_a_mistake_is_named(case: dict[str, Any], tmp_path: Path) -> None:
    """These are mistakes as well, and each has its line."""
    with pytest.raises(ConfigError) as wrong:
        load_house(write(tmp_path, case))
    for part in case["says"]:
        assert any(part in problem for problem in wrong.value.problems), wrong.value.problems
    assert case.get("not", "\0") not in str(wrong.value)


def test_a_sound_house_is_read_whole(tmp_path: Path) -> None:
    """What stands in the files is what the nouns inside say."""
    house = load_house(write(tmp_path, {}))
    assert (house.zone.key, house.language, house.currency, house.default_plan) == ("UTC", "en", "USD", "free")
    assert house.models["small"].provider == "local"
    assert house.models["small"].upstream == "small"
    assert house.prices.models["small"].output == Decimal(2)
    assert house.plans["pro"].models == ("small",)
    assert house.plans["free"].currency == "USD"
    assert [user.email for user in house.users] == ["fran@x.io", "petro@x.io"]
    assert house.assistants["general"].prompt == "Help."
    assert house.assistants["general"].overrides == ("max_tokens", "stop")


@pytest.mark.parametrize("newline", ["\r\n", "\n"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_files_from_other_editors_are_read(tmp_path: Path, newline: str, bom: bytes) -> None:
    """Windows line ends and a byte order mark are no mistakes."""
    folder = write(tmp_path, {})
    for file in (folder / "maitre.yaml", folder / "assistants" / "general.md"):
        file.write_bytes(bom + file.read_text("utf-8").replace("\n", newline).encode())
    assert load_house(folder).assistants["general"].prompt == "Help."


def test_there_is_no_house_without_its_file(tmp_path: Path) -> None:
    """One sentence that says what to do."""
    with pytest.raises(HouseError, match=r"There is no house in .*maitre\.yaml is missing"):
        load_house(tmp_path)


def test_a_file_that_is_no_yaml_hides_what_follows_from_it(tmp_path: Path) -> None:
    """An assistant that names a collection is not blamed for a maitre.yaml that cannot be read."""
    folder = write(tmp_path, {"append": "\n  stack.services.ollama.cpus: 2\n"})
    file = folder / "assistants" / "general.md"
    file.write_text(file.read_text("utf-8").replace("---\n", "---\nknowledge: [handbook]\n", 1), "utf-8")
    with pytest.raises(ConfigError) as wrong:
        load_house(folder)
    assert [problem for problem in wrong.value.problems if "broken YAML" not in problem] == []


def test_a_house_is_found_where_the_operator_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The given folder, else MAITRE_HOUSE, else the house above, else config/ beneath."""
    house, below, elsewhere = tmp_path / "house", tmp_path / "house" / "a" / "b", tmp_path / "elsewhere"
    below.mkdir(parents=True)
    elsewhere.mkdir()
    (house / "maitre.yaml").touch()
    assert find_house(None, below) == house
    assert find_house(None, elsewhere) == elsewhere / "config"
    monkeypatch.setenv("MAITRE_HOUSE", str(elsewhere))
    assert find_house(None, below) == elsewhere
    assert find_house(house, below) == house


def test_secrets_come_from_the_environment_or_from_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment comes first; a missing one is a sentence with the remedy; no key is ever printed."""
    spoilt = {"set": {"providers/local/api_key": "secret:local"}, "files": {".maitre/secrets/local": "from-file\n"}}
    house = load_house(write(tmp_path, spoilt))
    assert (house.provider("local").api_key, house.secret("local")) == ("from-file", "from-file")
    assert "from-file" not in repr(house)
    assert house.asked_secrets == ("local",)
    monkeypatch.setenv("MAITRE_SECRET_LOCAL", "from-environment")
    assert house.secret("local") == "from-environment"
    with pytest.raises(HouseError, match="The secret “stamp” is missing"):
        house.secret("stamp")


def test_endpoints_come_from_the_environment_or_from_what_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A house that does not run says so; `embedded` is the running upstream."""
    house = load_house(write(tmp_path, {"set": {"providers/local/base_url": "embedded"}}))
    with pytest.raises(HouseError, match="is not running"):
        house.endpoint("valkey")
    (tmp_path / ".maitre" / "endpoints.json").write_text(json.dumps({"upstream": "http://127.0.0.1:1"}))
    assert house.provider("local").base_url == "http://127.0.0.1:1/v1"
    monkeypatch.setenv("MAITRE_UPSTREAM_URL", "http://127.0.0.1:2")
    assert house.endpoint("upstream") == "http://127.0.0.1:2"


def test_a_containers_secrets_go_before_the_houses_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment, then what Docker mounts, then the house's folder; an empty or unreadable file is passed over."""
    house = load_house(write(tmp_path / "house", {"files": {".maitre/secrets/stamp": "from-house\n"}}))
    mounted = tmp_path / "run"
    mounted.mkdir()
    monkeypatch.setenv("MAITRE_SECRETS_DIR", str(mounted))
    assert house.secret("stamp") == "from-house"
    (mounted / "stamp").write_text("from-docker\n")
    assert house.secret("stamp") == "from-docker"
    monkeypatch.setenv("MAITRE_SECRET_STAMP", "from-environment")
    assert house.secret("stamp") == "from-environment"
    monkeypatch.delenv("MAITRE_SECRET_STAMP")
    (mounted / "stamp").write_text("\n")
    assert house.secret("stamp") == "from-house"


PASSWORDS = {"postgres_password": "p/@:%?#[] é", "rag_db_password": "r", "valkey_password": "v w"}


@pytest.mark.parametrize(
    ("part", "given", "url"),
    [
        ("postgres", "postgresql://maitre@db:5432/maitre", "postgresql://maitre:p%2F%40%3A%25%3F%23%5B%5D%20%C3%A9@db:5432/maitre"),
        ("postgres", "postgresql://rag@db/rag?sslmode=require", "postgresql://rag:r@db/rag?sslmode=require"),
        ("postgres", "postgresql://maitre:own@db/maitre", "postgresql://maitre:own@db/maitre"),
        ("postgres", "postgresql://maitre:@db/maitre", "postgresql://maitre:@db/maitre"),
        ("postgres", "postgresql://nobody@db/maitre", "postgresql://nobody@db/maitre"),
        ("valkey", "redis://valkey:6379/0", "redis://:v%20w@valkey:6379/0"),
        ("valkey", "redis://default@[::1]:6379/0", "redis://default:v%20w@[::1]:6379/0"),
        ("traces", "http://maitre@traces:3000", "http://maitre@traces:3000"),
    ],
)  # fmt: skip
def test_a_stores_url_takes_its_password_from_the_secret(
    part: Endpoint, given: str, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A URL without a password gets that of its role, percent-encoded; one with a password, or of no store, stays."""
    house = load_house(
        write(tmp_path, {"files": {f".maitre/secrets/{name}": text for name, text in PASSWORDS.items()}})
    )
    monkeypatch.setenv(f"MAITRE_{part.upper()}_URL", given)
    assert house.endpoint(part) == url


# ── the example house ────────────────────────────────────────────────────────────────────────────────────────


def test_the_example_house_is_sound(tmp_path: Path) -> None:
    """It loads as it is, and shows what the issue promises of it."""
    shutil.copytree(ROOT / "config", tmp_path / "house", ignore=shutil.ignore_patterns(".maitre"))
    house = load_house(tmp_path / "house")
    free = house.plans["free"]
    assert (free.limits["requests_per_minute"], free.limits["requests_per_month"]) == (5, 200)
    assert (free.limits["tokens_per_day"], free.max_answer_tokens) == (20_000, 512)
    assert {assistant.language or "en" for assistant in house.assistants.values()} == {"en", "uk", "ru"}
    assert any(assistant.json_answer and assistant.json_schema for assistant in house.assistants.values())
    assert any(assistant.type == "one-shot" for assistant in house.assistants.values())
    assert any(assistant.plans == ("business",) for assistant in house.assistants.values())
    assert {user.plan for user in house.users} == set(house.plans)
    assert not house.webui.sign_up


def sections(model: type[BaseModel]) -> list[tuple[str, str]]:
    """Every field of a section and of the sections in it: the section's name and the field's."""
    found: list[tuple[str, str]] = []
    for name, field in model.model_fields.items():
        found.append((model.__name__, name))
        for inner in vars(forms).values():
            section = isinstance(inner, type) and issubclass(inner, BaseModel) and inner is not model
            if section and inner.__name__ in str(field.annotation):
                found += sections(inner)
    return list(dict.fromkeys(found))


HOUSE_FIELDS = sections(forms.HouseForm)


@pytest.mark.parametrize(("section", "name"), HOUSE_FIELDS, ids=[".".join(pair) for pair in HOUSE_FIELDS])
def test_the_example_house_shows_every_field(section: str, name: str) -> None:
    """An operator learns of a field by seeing it, be it in a comment."""
    text = (ROOT / "config" / "maitre.yaml").read_text("utf-8")
    assert f"{name}:" in text, f"{section}.{name} is nowhere in config/maitre.yaml"


@pytest.mark.parametrize("name", assistant_forms.AssistantForm.model_fields)
def test_the_example_assistants_show_every_field(name: str) -> None:
    """Together the example's assistants show all that an assistant can have."""
    texts = [file.read_text("utf-8") for file in (ROOT / "config" / "assistants").glob("*.md")]
    assert any(f"\n{name}:" in text or f"\n# {name}:" in text for text in texts)


@pytest.mark.parametrize(
    ("edge", "noun"),
    [
        (assistant_forms.AssistantForm, Assistant),
        (forms.PlanForm, Plan),
        (forms.UserForm, settings.User),
        (forms.WebUIForm, settings.WebUI),
    ],
)
def test_no_field_of_the_files_gets_lost(edge: type[BaseModel], noun: Any) -> None:
    """Whatever an operator can write arrives in the noun."""
    known = {field.name for field in fields(noun)}
    assert set(edge.model_fields) <= known | (set(WINDOWS) if "limits" in known else set())


def test_a_router_is_read_whole(tmp_path: Path) -> None:
    """Its rules stand in their order, the default last; a way of a split is named after the router."""
    front = (
        "name: Auto\ntype: router\ndefault: general\nplans: [pro]\nroutes:\n"
        "  - { contains: [code], groups: [coaches], languages: [uk], plans: [free], assistant: general }\n"
        "  - split: { a: { assistant: general, weight: 9 }, b: { assistant: general } }\n"
    )
    house = load_house(write(tmp_path, {"files": {"assistants/auto.md": f"---\n{front}---\n"}}))
    auto = house.assistants["auto"]
    assert (auto.type, auto.plans, auto.routing) == (
        "router",
        ("pro",),
        Routing(
            (
                Rule((Way("general"),), ("code",), ("free",), ("coaches",), ("uk",)),
                Rule((Way("general", "auto:a", 9), Way("general", "auto:b", 1))),
                Rule((Way("general"),)),
            )
        ),
    )
    assert Assistant.from_json(json.loads(json.dumps(auto.to_json()))) == auto


def test_a_tool_is_read_whole(tmp_path: Path) -> None:
    """Its operations come from the document, its secret from where secrets are; nothing prints it."""
    written = {
        "openapi": "tools/crm.yaml",
        "base_url": "https://crm.example.com/api/",
        "allow": ["find"],
        "headers": {"Authorization": "Bearer secret:crm", "X-Tenant": "demo"},
        "timeout_seconds": 2,
        "max_bytes": 500,
        "private": True,
    }
    document = "openapi: 3.1.0\npaths: {/x: {get: {operationId: find}, put: {operationId: change}}}\n"
    (tmp_path / "tools").mkdir()
    files = {"tools/crm.yaml": document, ".maitre/secrets/crm": "s3cret\n"}
    front = "name: Coach\nmodel: small\nserver_tools: [calculator, crm.find]\ntool_rounds: 3\n"
    files["assistants/coach.md"] = f"---\n{front}---\nCoach.\n"
    house = load_house(write(tmp_path, {"set": {"tools": {"crm": written}}, "files": files}))
    (crm,) = house.tools
    assert (crm.name, crm.base_url, [one.id for one in crm.operations]) == (
        "crm",
        "https://crm.example.com/api",
        ["find"],
    )
    assert (crm.headers, crm.secrets) == ({"Authorization": "Bearer s3cret", "X-Tenant": "demo"}, ("s3cret",))
    assert house.asked_secrets == ("crm",)
    assert (crm.timeout_seconds, crm.max_bytes, crm.private) == (2, 500, True)
    assert "s3cret" not in repr(house)
    coach = house.assistants["coach"]
    assert (coach.server_tools, coach.tool_rounds) == (("calculator", "crm.find"), 3)
    assert Assistant.from_json(json.loads(json.dumps(coach.to_json()))) == coach
