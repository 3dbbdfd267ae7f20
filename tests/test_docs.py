"""The documentation says what the code does: commands, fields, JSON forms, dependencies, links and words."""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args
from zoneinfo import ZoneInfo

import pytest
import typer
from pydantic import BaseModel

from cli import app
from commands import audit
from commands.house_view import NAMES
from commands.key_view import plain
from commands.render_view import render_json
from commands.secrets import Kept
from devstack.checks import Finding
from maitre import settings
from maitre.accounts.account import Account
from maitre.billing.ledger_postgres import COLUMNS
from maitre.billing.row import KINDS, STATUSES
from maitre.house import assistant_forms, forms, stack_forms
from maitre.keys.key import Key
from maitre.quota.explain import explain
from maitre.quota.plan import Plan
from maitre.quota.store import Live
from maitre.quota.window import WINDOWS, periods
from provisioning.change import Change
from provisioning.secret_uses import USES

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *(ROOT / "benchmarks").glob("*.md")])


def text(name: str) -> str:
    """A page of docs/."""
    return (DOCS / name).read_text("utf-8")


def section(page: str, title: str) -> str:
    """The part of a page below the heading `title`, up to the next heading of the same or a higher level."""
    found = re.search(rf"^(#+) {re.escape(title)}$", page, re.MULTILINE)
    assert found, f"no heading “{title}”"
    rest = page[found.end() :]
    end = re.search(rf"^#{{1,{len(found[1])}}} ", rest, re.MULTILINE)
    return rest[: end.start()] if end else rest


def rows(table: str) -> dict[str, list[str]]:
    """The rows of the Markdown tables in a text whose first cell is one `word`, by that word."""
    lines = re.findall(r"^\| `([^`]+)` \|(.*)\|$", table, re.MULTILINE)
    return {word: [cell.strip() for cell in rest.split(" | ")] for word, rest in lines}


# ── the command line ─────────────────────────────────────────────────────────────────────────────────────


ROOT_COMMAND: Any = typer.main.get_command(app)


def commands(group: Any = ROOT_COMMAND, path: str = "cli") -> Iterator[tuple[str, Any]]:
    """Every command with its full name."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


def usage_of(name: str, command: Any) -> str:
    """A command with its arguments, as a heading has it."""
    arguments = [param for param in command.params if param.param_type_name == "argument"]
    words = [param.name.upper() if param.required else f"[{param.name.upper()}]" for param in arguments]
    return f"`{' '.join([name, *words])}`"


@pytest.mark.parametrize(("name", "command"), [pytest.param(*pair, id=pair[0]) for pair in commands()])
def test_every_command_and_option_stands_in_cli_md(name: str, command: Any) -> None:
    """A command has a section, and an option stands in it or among those of every command."""
    page = text("cli.md")
    own, everywhere = section(page, usage_of(name, command)), section(page, "Options of every command")
    for param in command.params:
        if param.param_type_name == "option":
            assert f"| `{param.opts[0]}" in own + everywhere, f"{name} {param.opts[0]}"


def test_cli_md_names_no_command_that_is_not_there() -> None:
    """A reader who types what the page says gets no “No such command”."""
    assert set(re.findall(r"^## (`cli .*`)$", text("cli.md"), re.MULTILINE)) == {
        usage_of(name, command) for name, command in commands()
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_call_commands_and_targets_that_exist(page: Path) -> None:
    """`cli X` and `make X` in any page are a command and a target."""
    said = page.read_text("utf-8")
    known = {name.split()[1] for name, _ in commands()}
    assert set(re.findall(r"`(?:\$ )?(?:\.venv/bin/)?cli ([a-z]+)", said)) <= known
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert set(re.findall(r"(?:`|^)make ([a-z]+)", said, re.MULTILINE)) <= targets


def test_readme_shows_the_two_commands_first() -> None:
    """A newcomer finds `make up` and `make test` on the first screen."""
    first = (ROOT / "README.md").read_text("utf-8").splitlines()[:25]
    assert any(line.startswith("make up") for line in first)
    assert any(line.startswith("make test") for line in first)


# ── JSON forms ───────────────────────────────────────────────────────────────────────────────────────────


def form(name: str) -> Any:
    """The example of a public JSON form in cli.md."""
    found = re.search(rf"<!-- form: {name} -->\n```json\n(.*?)```", text("cli.md"), re.DOTALL)
    assert found, f"cli.md has no form “{name}”"
    return json.loads(found[1])


def test_the_form_of_usage() -> None:
    """A ledger row has exactly the documented fields, in that order, and each of its words is explained."""
    names = [name.strip().split(" as ")[-1].strip('"').removeprefix("l.") for name in COLUMNS.split(",")]
    assert list(form("usage")[0]) == names
    page = section(text("cli.md"), "`cli usage [USER]`")
    for word in (*KINDS, *STATUSES, "browser", "api", "gateway", "openai", "rag", "filter"):
        assert f"`{word}`" in page, word


def test_the_form_of_audit() -> None:
    """An entry has the documented fields, in that order."""
    entry = audit.entry(datetime(2026, 11, 21, tzinfo=UTC), "a", "", "key.generate", "", "", {})
    assert list(form("audit")[0]) == list(entry)


def test_the_form_of_render() -> None:
    """The files and the services have the documented fields, and each state is explained."""
    compose = "services: {a: {image: b, deploy: {resources: {limits: {cpus: '1', memory: 1m}}}}}"
    made, told = render_json({"compose.yaml": compose}, {}), form("render")
    assert made.keys() == told.keys()
    for part in made:
        assert next(iter(made[part].values())).keys() == next(iter(told[part].values())).keys()
    for word in ("new", "changed", "same", "gone"):
        assert f"`{word}`" in section(text("cli.md"), "`cli render`")


def test_the_form_of_status() -> None:
    """Every part that the house may have stands in the example."""
    assert set(form("status")["endpoints"]) == set(get_args(settings.Endpoint)) == set(NAMES)
    assert list(form("status")) == ["mode", "endpoints", "logins", "counters", "suspended", "unfinished"]


def test_the_form_of_quota_explain() -> None:
    """The example has the fields of a window, and a real plan's windows are those that the page lists."""
    plan = Plan("free", "Free", 0, "USD", {"requests_per_minute": 5, "tokens_per_day": 9})
    now = datetime(2026, 11, 21, 12, tzinfo=UTC)
    nothing = Live({}, 0, None, {})
    told = explain(Account("id", "a@b.example", "A"), plan, nothing, (), periods(now, ZoneInfo("UTC")))
    assert set(form("explain")) == {*told, "suspended"}
    for window in form("explain")["windows"]:
        assert set(window) == set(told["windows"][0])
    assert {(window["resource"], window["window"]) for window in told["windows"]} == {
        ("requests", "minute"),
        ("requests", "month"),
        ("tokens", "day"),
        ("tokens", "month"),
        ("tokens", "total"),
    }


def test_the_form_of_seed() -> None:
    """A change has the documented fields, and every resource and action is named."""
    assert set(form("seed")["changes"][0]) == set(Change("plans", "create", "x", "X.").to_json())
    page = section(text("cli.md"), "`cli seed`")
    resources = {file.stem for file in (ROOT / "provisioning" / "resources").glob("[a-z]*.py")}
    for word in (*resources, "database", "create", "update", "remove", "skip"):
        assert f"`{word}`" in page, word


def test_the_form_of_key_list() -> None:
    """A key has the documented fields, and each of its states is named."""
    assert list(form("keys")[0]) == list(plain(Key("0" * 16, "u", "n", datetime.now(UTC)), ""))
    page = section(text("cli.md"), "`cli key list [USER]`")
    assert all(f"`{state}`" in page for state in ("live", "expired", "revoked"))


def test_the_form_of_doctor() -> None:
    """A finding has the documented fields."""
    assert [set(finding) for finding in form("doctor")["findings"]] == [{one.name for one in fields(Finding)}] * 2


# ── configuration ────────────────────────────────────────────────────────────────────────────────────────

#: Where each section of the files is described.
SECTIONS = {
    "HouseForm": "The house",
    "ProviderForm": "`providers.<slug>`",
    "AddressForm": "`providers.<slug>.base_url`",
    "ModelForm": "`providers.<slug>.models.<id>`",
    "AliasForm": "`models.<id>`",
    "PricesForm": "`prices`",
    "PriceForm": "`prices.models.<id>`",
    "LimitsForm": "Limits",
    "PlanForm": "`plans.<slug>`",
    "NetworksForm": "Networks",
    "ToolForm": "`tools.<slug>`",
    "UserForm": "`users[]`",
    "WebUIForm": "`open_webui`",
    "AssistantForm": "`assistants/*.md`",
    "MemoryForm": "`memory`",
    "AssistantMemoryForm": "`memory` of an assistant",
    "AssistantKnowledgeForm": "`knowledge` of an assistant",
    "VariableForm": "`variables.<name>` of an assistant",
    "RagForm": "`rag`",
    "TextFormForm": "`rag.query` and `rag.passage`",
    "CollectionForm": "`knowledge.<name>`",
    "ReadersForm": "`readers` of a collection",
    "RouterForm": "Routers",
    "SimilarForm": "`similar` of a router",
    "RouteForm": "`routes[]` of a router",
    "WayForm": "`split` of a route",
    "StackForm": "`stack`",
    "TlsForm": "`stack.tls`",
    "RateLimitForm": "`stack.rate_limit`",
    "OllamaForm": "`stack.ollama`",
    "ServiceForm": "`stack.services.<name>`",
}


FORMS = {
    name: one
    for edge in (forms, assistant_forms, stack_forms)
    for name, one in vars(edge).items()
    if isinstance(one, type) and issubclass(one, BaseModel) and one.__module__ == edge.__name__
}


def fields_of(name: str) -> dict[str, Any]:
    """The fields that a section describes: a plan's limits stand in their own."""
    every = FORMS[name].model_fields
    return {field: info for field, info in every.items() if name != "PlanForm" or field not in WINDOWS}


#: Those that are front matter, and no part of maitre.yaml.
OF_ASSISTANTS = {name for name, one in FORMS.items() if one.__module__ == assistant_forms.__name__}
FIELDS = [pytest.param(name, field, id=f"{name}.{field}") for name in SECTIONS for field in fields_of(name)]
#: Defaults that are told in words.
WORDED = {
    None: {
        "none",
        "unknown",
        "unlimited",
        "the id",
        "the file's name",
        "the provider's",
        "the plan's",
        "the house's",
        "the collection's",
        "the first administrator",
    },
    "": {"empty"},
}


def test_every_section_of_the_files_is_described() -> None:
    """A new pydantic model of the settings needs a section here."""
    assert set(FORMS) - {"Form"} == set(SECTIONS)


@pytest.mark.parametrize(("name", "field"), FIELDS)
def test_every_field_stands_in_configuration_md_with_its_default(name: str, field: str) -> None:
    """A field has a row with its type, its true default and its meaning."""
    described = rows(section(text("configuration.md"), SECTIONS[name]))
    assert field in described
    default, info = described[field][1], fields_of(name)[field]
    if info.is_required():
        assert default == "required"
    elif field == "limits":
        assert default == "none"
    elif isinstance(info.default, BaseModel):
        assert default == "all defaults"
    elif info.default in (None, ""):
        assert default in WORDED[info.default]
    else:
        told = json.dumps(info.default) if isinstance(info.default, bool | dict) else str(info.default)
        assert default.strip("`") == told.replace("'", "")


@pytest.mark.parametrize("name", SECTIONS)
def test_configuration_md_describes_no_field_that_is_not_there(name: str) -> None:
    """A field that was removed leaves the page too."""
    known = set(fields_of(name))
    assert set(rows(section(text("configuration.md"), SECTIONS[name]))) == known


@pytest.mark.parametrize(("name", "field"), [one for one in FIELDS if one.values[0] not in OF_ASSISTANTS])
def test_every_field_stands_in_the_example_house(name: str, field: str) -> None:
    """maitre.yaml shows each of its fields, if only in a comment; of the limits it shows some."""
    if name == "LimitsForm":
        return
    example = (ROOT / "config" / "maitre.yaml").read_text("utf-8")
    assert re.search(rf"(?:^|[ {{#]){field}:", example, re.MULTILINE), f"{name}.{field}"


def test_the_example_assistant_is_valid_and_shows_every_field(tmp_path: Path) -> None:
    """The file in configuration.md can be copied as it stands."""
    found = re.search(r"<!-- example: assistant -->\n```markdown\n(.*?)```", text("configuration.md"), re.DOTALL)
    assert found
    shutil.copytree(ROOT / "config", tmp_path / "house", ignore=shutil.ignore_patterns(".maitre"))
    (tmp_path / "house" / "assistants" / "example.md").write_text(found[1], "utf-8")
    assert "recipes" in settings.load_house(tmp_path / "house").assistants
    for field in assistant_forms.AssistantForm.model_fields:
        assert re.search(rf"^{field}:", found[1], re.MULTILINE), field


def test_every_environment_variable_is_described() -> None:
    """What the code reads from the environment stands in configuration.md."""
    folders = ("maitre", "rag_service", "commands", "devstack", "provisioning")
    sources = [file.read_text("utf-8") for name in folders for file in (ROOT / name).rglob("*.py")]
    read = {name for source in sources for name in re.findall(r"MAITRE_[A-Z_]*[A-Z]\b", source)}
    described = set(rows(section(text("configuration.md"), "The environment")))
    parts = {f"MAITRE_{part.upper()}_URL" for part in get_args(settings.Endpoint)}  # all in one row
    assert (read - parts) | {"MAITRE_SECRET_<NAME>", "MAITRE_<PART>_URL"} <= described
    page = section(text("configuration.md"), "The environment")
    for part in get_args(settings.Endpoint):
        assert f"`{part.upper()}`" in page


def test_secrets_md_tells_of_every_secret() -> None:
    """What it is for, who reads it, whether it can have a new value and what that costs; and the form of the list."""
    found = rows(section(text("secrets.md"), "New values"))
    assert list(found) == list(USES)
    for name, use in USES.items():
        purpose, parts, new, costs = found[name]
        assert (purpose, parts.split(", ")) == (use.purpose, list(use.parts))
        assert new == ("no" if use.elsewhere else "with a loss" if use.loses else "yes")
        assert all(told in costs for told in (use.elsewhere, use.loses, use.then, use.gap))
    assert set(form("secrets")[0]) == {field.name for field in fields(Kept)}


# ── dependencies, links, words ───────────────────────────────────────────────────────────────────────────


def declared() -> dict[str, set[str]]:
    """The names of pyproject.toml's dependencies by extra; the core is “”."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    groups = {"": project["dependencies"], **project["optional-dependencies"]}
    return {extra: {re.split(r"[\[<>=~!; ]", one)[0].lower() for one in names} for extra, names in groups.items()}


@pytest.mark.parametrize("extra", declared())
def test_every_dependency_is_accounted_for(extra: str) -> None:
    """Each stands with its reason and licence, and nothing else does."""
    titles = re.findall(r"^## (.*)$", text("dependencies.md"), re.MULTILINE)
    title = next(one for one in titles if one.startswith(f"`{extra}`" if extra else "The core"))
    lines = [line for line in section(text("dependencies.md"), title).splitlines() if line.startswith("| `")]
    described = {name.split("[")[0] for line in lines for name in re.findall(r"`([^`]+)`", line.split(" | ")[0])}
    assert described == declared()[extra]
    for line in lines:
        name, why, licence = (cell.strip() for cell in line.strip("| ").split(" | "))
        assert why, name
        assert licence, name


def anchors(page: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.*)$", page, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    """Files, pictures and headings that a page points to are there."""
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name}: {link}"
        assert target.is_relative_to(ROOT), f"{page.name}: {link}"
        assert not anchor or anchor in anchors(target.read_text("utf-8")), f"{page.name}: {link}"


def test_the_folders_of_architecture_md_are_there() -> None:
    """The captioned tree names every folder of the source, and none that is not there."""
    cells = re.findall(r"^\| (`.*?`) \|", section(text("architecture.md"), "The tree"), re.MULTILINE)
    named = {name.rstrip("/") for cell in cells for name in re.findall(r"`([^`]+)`", cell)}
    assert all((ROOT / name).exists() for name in named), named
    nouns = {f"maitre/{path.name}" for path in (ROOT / "maitre").iterdir() if (path / "__init__.py").exists()}
    assert nouns <= named


WORDS = (
    "account guest plan group role window limit hold reservation settle release sweep turn call kind counted door stamp"
    " assistant manifold filter provider upstream record house seed task repair estimated catalogue request trace"
    " operator refusal engine portal pure adapter twin"
    " knowledge collection document owner reader version piece chunk passage source job staged published leg likeness"
    " stack service deploy rollout drain"
)


@pytest.mark.parametrize(
    "word",
    [
        *WORDS.split(),
        "ledger row",
        "tool loop",
        "request log",
        "price table",
        "plain model",
        "on behalf of",
        "plan of a deploy",
    ],
)
def test_the_glossary_has_the_word(word: str) -> None:
    """The words of the code are fixed in one place, each once."""
    assert len(re.findall(rf"^\| \*\*{word}\*\* \| \S", text("glossary.md"), re.MULTILINE)) == 1


@pytest.mark.parametrize(
    ("folder", "title"),
    [("maitre/sql/migrations", "What is kept where"), ("rag_service/sql", "The RAG service")],
    ids=["maitre", "rag"],
)
def test_every_table_stands_in_architecture_md(folder: str, title: str) -> None:
    """Whoever looks into a database finds each table that the migrations make, and none that they do not."""
    listed = section(text("architecture.md"), title).partition("| table | what |\n|---|---|\n")[2].partition("\n\n")[0]
    cells = re.findall(r"^\| (`[a-z_`, ]+`) \|", listed, re.MULTILINE)
    told = {table for cell in cells for table in re.findall(r"`(\w+)`", cell)}
    files = "".join(file.read_text("utf-8") for file in (ROOT / folder).glob("*.sql"))
    assert told == {"migrations", *re.findall(r"^create table (\w+)", files, re.MULTILINE)}


def test_the_pictures_are_pictures() -> None:
    """A picture that a page shows is a real PNG."""
    for picture in (DOCS / "images").glob("*"):
        assert picture.read_bytes().startswith(b"\x89PNG\r\n"), picture.name


def test_the_licence_is_the_one_that_is_declared() -> None:
    """LICENSE holds the text of the Apache License 2.0, whole."""
    licence = (ROOT / "LICENSE").read_text("utf-8")
    assert "Apache License\n" in licence
    assert "END OF TERMS AND CONDITIONS" in licence
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["license"] == "Apache-2.0"
    assert f"## [{project['version']}]" in (ROOT / "CHANGELOG.md").read_text("utf-8")
