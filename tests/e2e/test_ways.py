"""From the Pipelines server to the gateway and back: one setting, `cli up` and `cli seed`."""

from __future__ import annotations

import pytest

from tests.e2e.browser_chat import browser_chat
from tests.e2e.conftest import Home
from tests.e2e.inn import Inn, by, script, text_of

pytestmark = [pytest.mark.e2e, by("gateway")]

MODEL = "assistants.scripted"
FUNCTION = "/api/v1/functions/id/maitre"


def test_guests_and_their_models_go_along(home: Home, running_house: Inn) -> None:
    """A guest, a workspace model of theirs and the limits are the same before and after; only the wanted part runs,
    and Open WebUI knows the secret of the stamps only as long as it needs it."""
    free = running_house.new_guest("free")
    model = {"id": f"mine-{free.user_id[:8]}", "base_model_id": MODEL, "name": "Mine", "meta": {}, "params": {}}
    everybody = {"principal_type": "user", "principal_id": "*", "permission": "read"}
    made = running_house.call("POST", "/api/v1/models/create", json={**model, "access_grants": [everybody]})
    made.raise_for_status()
    running_house.call("GET", "/api/models?refresh=true")
    assert running_house.call("GET", FUNCTION).status_code == 200
    assert text_of(running_house.chat(free, model["id"], script(n=2), stream=True)) == "word0 word1 "
    try:
        inn = home.become("pipelines")
        assert inn.call("GET", FUNCTION).status_code == 401  # how Open WebUI says that there is none
        assert "gateway" in inn.parts
        assert "pipelines" in inn.parts
        free = inn.sign_in(free.email, free.password)
        assert inn.chat(free, model["id"], "hello").status_code == 200
        assert inn.windows(free)["requests", "month"]["used"] == 2
    finally:
        inn = home.become("gateway")
        inn.call("POST", "/api/v1/models/model/delete", json={"id": model["id"]}).raise_for_status()
    assert "pipelines" not in inn.parts
    assert inn.chat(free, MODEL, "hello").status_code == 200
    assert inn.windows(free)["requests", "month"]["used"] == 3
    assert [(row["door"], row["assistant"]) for row in inn.rows(free)] == [("api", "scripted")] * 3
    with browser_chat(inn, inn.new_guest(), MODEL) as chat:
        question = chat.ask(script(n=3))
        chat.until(lambda: chat.finished(question), "the answer did not end")
    assert chat.answer(question) == "word0 word1 word2 "
