"""
title: Maitre's plain models
description: The upstream models that the guest's plan allows, without an assistant.
"""

import asyncio

from maitre import portal
from maitre.door import serve


class Pipeline:
    """A manifold: its models are `models.<id>`."""

    def __init__(self):
        self.type = "manifold"
        self.id = "models"
        self.name = ""
        self.engine = None

    def pipelines(self):
        # Called on every request by the server: from memory only.
        return self.engine.menu.offered("models") if self.engine else []

    async def on_startup(self):
        self.engine = (await asyncio.to_thread(portal.join)).engine

    async def on_shutdown(self):
        self.engine = None
        await asyncio.to_thread(portal.leave)

    async def inlet(self, body, user=None):
        return self.engine.requests.stamped(body, user["id"], body["model"])

    def pipe(self, user_message, model_id, messages, body):
        return serve(f"models.{model_id}", body)
