"""
title: Maitre's stamp
description: Tells Maitre's gateway, signed, of which chat and page a turn is. `cli seed` installs it.
"""

import base64
import hashlib
import hmac
import json
import time
import uuid

from pydantic import BaseModel

#: As in maitre/chat/stamp.py and maitre/chat/inlet.py; this file runs inside Open WebUI and can import neither.
KEY, LIFETIME, OURS = "maitre", 1800, ("assistants.", "models.")


class Filter:
    """A filter over every model: the signed stamp of a turn goes into the body, once for all calls of a tool loop.

    It refuses nothing and asks nobody; what must hold is enforced in the gateway.
    """

    class Valves(BaseModel):
        # Other filters may choose another model before us.
        priority: int = 1000
        # Open WebUI shows valves to administrators only.
        secret: str = ""

    def __init__(self):
        self.valves = self.Valves()

    def inlet(self, body, __user__=None, __metadata__=None):
        body.pop(KEY, None)  # a client's own survives until here
        about = __metadata__ or {}
        chosen = about.get("model") or {}
        model = str((chosen.get("info") or {}).get("base_model_id") or body.get("model") or "")
        # A guest's own connection may have a model of our name: its owner would read our stamp.
        theirs = about.get("direct") or chosen.get("direct")
        if self.valves.secret and not theirs and model.startswith(OURS):
            body[KEY] = self.signed(stamp_of(about, (__user__ or {}).get("id"), model))
        return body

    def signed(self, stamp):
        raw = json.dumps(stamp, separators=(",", ":")).encode("ascii")
        payload = base64.urlsafe_b64encode(raw).decode()
        mac = hmac.new(self.valves.secret.encode(), payload.encode(), hashlib.sha256)
        return f"{payload}.{mac.hexdigest()}"


def stamp_of(about, user_id, model):
    variables = about.get("variables") or {}
    task = text(about.get("task"))
    return {
        "user_id": str(user_id),
        "model": model,
        "turn_id": uuid.uuid4().hex,
        "expires": int(time.time()) + LIFETIME,
        "kind": "task" if task else "turn",
        "task": task,
        "chat_id": text(about.get("chat_id")),
        "browser": bool(about.get("session_id")),
        "language": text(variables.get("{{USER_LANGUAGE}}")),
        "zone": text(variables.get("{{CURRENT_TIMEZONE}}")),
    }


def text(value):
    # A client chooses some of these: they must fit a database column.
    return "".join(one for one in str(value or "") if one.isprintable())[:200]
