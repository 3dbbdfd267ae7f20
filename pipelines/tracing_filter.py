"""
title: Maitre's tracing filter
description: A Langfuse trace for every answer of a model that Maitre does not serve itself.
"""

import asyncio

from pydantic import BaseModel

from maitre import portal


class Pipeline:
    """A filter over every model; turns of our own models trace themselves and are left alone."""

    class Valves(BaseModel):
        # Defaults stand on the class: an update without a field returns to them.
        pipelines: list[str] = ["*"]
        priority: int = 1

    def __init__(self):
        self.type = "filter"
        self.id = "tracing_filter"
        self.name = "Maitre: tracing"
        self.valves = self.Valves()
        self.portal = None

    async def on_startup(self):
        self.portal = await asyncio.to_thread(portal.join)

    async def on_shutdown(self):
        self.portal = None
        await asyncio.to_thread(portal.leave)

    async def inlet(self, body, user=None):
        self.portal.engine.filters.trace_inlet(body, user)
        return body

    async def outlet(self, body, user=None):
        await asyncio.wrap_future(self.portal.submit(self.portal.engine.filters.trace_outlet(body, user)))
        return body
