"""The variables of a prompt in a turn."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from maitre.assistants.variable import Variable
from maitre.errors import BadRequest
from tests.maitre.chat.kitchen import COACH, SMALL, Kitchen


async def test_variables_stand_in_the_prompt(kitchen: Kitchen) -> None:
    """What a client says for them, for the model that is asked instead, too; the browser's `variables` are others."""
    kitchen.registry.offer(replace(COACH, prompt="You coach {{who}}.", variables={"who": Variable(default="all")}))
    await kitchen.answer(variables={"who": "Fran"})
    assert kitchen.model.calls[-1][1]["messages"][0]["content"] == "You coach Fran."
    prepared = await kitchen.turns.reception.prepare(kitchen.request(variables={"who": "Fran"}), streamed=False)
    prepared = replace(prepared, others=(replace(SMALL, id="other"),))
    other = await kitchen.turns.reception.for_the_next(prepared)
    assert json.dumps(other.body).count("You coach Fran.") == 1
    await kitchen.answer(stamp=kitchen.stamp(), variables={"{{USER_NAME}}": "Fran"})
    assert kitchen.model.calls[-1][1]["messages"][0]["content"] == "You coach all."
    with pytest.raises(BadRequest, match="unknown_variable"):
        await kitchen.answer(variables={"whom": "Fran"})
