"""
title: Maitre's quota filter
description: Stamps the turns of our models; refuses and counts the turns of other models early.
"""

import asyncio

from pydantic import BaseModel

from maitre import portal


class Pipeline:
    """A filter over every model. It informs and refuses early; what must hold is enforced in our manifolds."""

    class Valves(BaseModel):
        # Defaults stand on the class: an update without a field returns to them.
        pipelines: list[str] = ["*"]
        priority: int = 0
        # Opt-in: which assistant's prompt goes before which foreign model, as "gpt-plain=general, other=coach".
        assistant_for: str = ""

    def __init__(self):
        self.type = "filter"
        self.id = "quota_filter"
        self.name = "Maitre: quota"
        self.valves = self.Valves()
        self.portal = None

    async def on_startup(self):
        self.portal = await asyncio.to_thread(portal.join)

    async def on_shutdown(self):
        self.portal = None
        await asyncio.to_thread(portal.leave)

    async def inlet(self, body, user=None):
        work = self.portal.engine.filters.quota_inlet(body, user, self.valves.assistant_for)
        return await asyncio.wrap_future(self.portal.submit(work))

    async def outlet(self, body, user=None):
        return await asyncio.wrap_future(self.portal.submit(self.portal.engine.filters.quota_outlet(body, user)))
