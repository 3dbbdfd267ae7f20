"""
title: Somebody else's plugin
description: Answers in every way that the upstream server knows, and fails in several.
"""

import threading
import time

from pydantic import BaseModel

KINDS = ["text", "pieces", "events", "lines", "object", "who", "first", "raises", "raises-late", "answers-raise"]
KINDS += ["slowly", "stuck"]


class Pipeline:
    """A manifold: its models are `neighbour.<kind>`."""

    class Valves(BaseModel):
        pipelines: list[str] = ["*"]

    def __init__(self):
        self.type = "manifold"
        self.id = "neighbour"
        self.name = ""
        self.valves = self.Valves()
        self.pipelines = [{"id": kind, "name": kind} for kind in KINDS]

    async def inlet(self, body, user=None):
        raise ValueError(f"The inlet was told {body['messages']} by {user}")

    def pipe(self, user_message, model_id, messages, body):
        print(f"a plugin may print what it likes: {model_id}")
        return getattr(self, model_id.replace("-", "_"))(user_message, messages, body)

    def text(self, said, messages, body):
        return f"You said {said}"

    def pieces(self, said, messages, body):
        yield from ("You ", "said ", said)

    def events(self, said, messages, body):
        yield {"choices": [{"index": 0, "delta": {"content": said}}]}

    def lines(self, said, messages, body):
        return iter([f'data: {{"choices": [{{"index": 0, "delta": {{"content": "{said}"}}}}]}}', "data: [DONE]"])

    def object(self, said, messages, body):
        return {"choices": [{"index": 0, "message": {"role": "assistant", "content": said}}]}

    def who(self, said, messages, body):
        return body["user"]["id"]

    def first(self, said, messages, body):
        return repr(messages[0]["content"])

    def raises(self, said, messages, body):
        raise ValueError(f"I cannot say {said}")

    def raises_late(self, said, messages, body):
        yield "begun"
        raise ValueError(f"I cannot say {said}")

    def answers_raise(self, said, messages, body):
        yield object()

    def slowly(self, said, messages, body):
        for number in range(40):
            time.sleep(0.05)
            yield f"piece{number} "

    def stuck(self, said, messages, body):
        yield "begun"
        threading.Event().wait()
