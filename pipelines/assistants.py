"""
title: Maitre's assistants
description: Every assistant of the house as a model, under the guest's plan.
"""

import asyncio

from maitre import portal
from maitre.door import serve


class Pipeline:
    """A manifold: its models are `assistants.<slug>`."""

    def __init__(self):
        self.type = "manifold"
        self.id = "assistants"
        self.name = ""
        self.engine = None

    def pipelines(self):
        # Called on every request by the server: from memory only.
        return self.engine.menu.offered("assistants") if self.engine else []

    async def on_startup(self):
        self.engine = (await asyncio.to_thread(portal.join)).engine

    async def on_shutdown(self):
        self.engine = None
        await asyncio.to_thread(portal.leave)

    async def inlet(self, body, user=None):
        return self.engine.requests.stamped(body, user["id"], body["model"])

    def pipe(self, user_message, model_id, messages, body):
        return serve(f"assistants.{model_id}", body)
