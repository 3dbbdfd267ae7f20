"""Plans and assistants in Postgres."""

from __future__ import annotations

from maitre.assistants.assistant import Assistant
from maitre.assistants.catalogue import Catalogue
from maitre.quota.plan import Plan
from maitre.sql.postgres import Database

_READ = """
select (select version from catalogue) as version, 'plan' as what, slug, spec, null as closed from plans
union all
select (select version from catalogue), 'assistant', slug, spec, null from assistants
union all
select version, 'house', '', null, closed from catalogue
"""


class PostgresCatalogue:
    """The house's plans and assistants, as `cli seed` put them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self) -> Catalogue:
        """All of it, in one statement, so that it is of one version."""
        rows = await self._database.fetch(_READ)
        return Catalogue(
            version=rows[0]["version"],
            closed=next(row["closed"] for row in rows if row["what"] == "house"),
            plans={row["slug"]: Plan.from_json(row["spec"]) for row in rows if row["what"] == "plan"},
            assistants={row["slug"]: Assistant.from_json(row["spec"]) for row in rows if row["what"] == "assistant"},
        )

    async def put_plan(self, plan: Plan) -> None:
        """Make the plan or change it."""
        await self._database.execute(
            "insert into plans (slug, spec) values ($1, $2) on conflict (slug) do update set spec = excluded.spec",
            plan.slug,
            plan.to_json(),
        )

    async def drop_plan(self, slug: str) -> None:
        """Remove the plan; its accounts fall back to the house's default plan."""
        await self._database.execute("delete from plans where slug = $1", slug)

    async def put_assistant(self, assistant: Assistant) -> None:
        """Make the assistant or change it."""
        await self._database.execute(
            "insert into assistants (slug, enabled, spec) values ($1, $2, $3)"
            " on conflict (slug) do update set enabled = excluded.enabled, spec = excluded.spec",
            assistant.slug,
            assistant.enabled,
            assistant.to_json(),
        )

    async def drop_assistant(self, slug: str) -> None:
        """Remove the assistant; its ledger rows stay."""
        await self._database.execute("delete from assistants where slug = $1", slug)

    async def close(self, sentence: str | None) -> None:
        """Admit nobody, with this sentence; None: admit again."""
        await self._database.execute("update catalogue set closed = $1 where closed is distinct from $1", sentence)
