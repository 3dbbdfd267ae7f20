"""An upstream's words with the house's secrets taken out: keys, addresses, and the real model's name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

#: What stands for the real model's name until somebody knows the public one.
MODEL = "⟨model⟩"
KEY = "[key]"
ADDRESS = "[address]"

#: Keys as providers write them (sk-…, sk-ant-…, gsk_…, hf_…, AIza…), cut short or starred ones too, whatever follows
#: “Bearer” or “x-api-key”, and the ids of the house's account there and of a request (org-…, proj_…, req_…).
_KEYS = re.compile(
    r"(?i)\bbearer\s+[^\s\"',;]+|\bx-api-key\s*[:=]\s*[^\s\"',;]+"
    r"|\b(?:sk|pk|rk|gsk|xai|hf)[-_](?=[\w*.-]*[\d*])[\w*.-]{2,}[\w*]|\bAIza[\w*-]{10,}"
    r"|\b(?:org|proj|acct|req)[-_](?=[\w-]*\d)\w{10,}"
)
#: URLs, addresses of IPv4 and IPv6, and names of hosts that have a port or a usual ending.
_ADDRESSES = re.compile(
    r"(?i)\b[a-z][a-z0-9+.-]*://[^\s\"'<>)\]}]+"
    r"|\[[0-9a-f:]*:[0-9a-f:.]+\](?::\d+)?"
    r"|(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?::\d+)?(?![\d.])"
    r"|(?<![\w.-])(?:localhost|[a-z0-9-]+(?:\.[a-z0-9-]+)*):\d{2,5}\b"
    r"|(?<![\w.-])(?:[a-z0-9-]+\.)+(?:com|net|org|io|ai|dev|app|cloud|local|internal|lan|svc|cluster)\b(?:/[^\s\"']*)?"
)


class Scrubber:
    """Takes one provider's secrets out of what it says of one model. Made at every call, so it costs nothing unused."""

    def __init__(self, key: str, base_url: str, model: str) -> None:
        self._key, self._base_url, self._model = key, base_url, model

    def text(self, said: str) -> str:
        """The text without them; MODEL stands for the real model's name."""
        host = re.sub(r"^[a-z]+://([^/]*@)?", "", self._base_url).split("/")[0]
        if len(self._key) > 3:
            said = said.replace(self._key, KEY)
        said = _ADDRESSES.sub(ADDRESS, _KEYS.sub(KEY, said))
        for name in (host, host.partition(":")[0]):
            if len(name) > 3:
                said = said.replace(name, ADDRESS)
        names = {self._model, self._model.rpartition("/")[2]} - {""}
        if not names:
            return said
        longest = "|".join(sorted((re.escape(name) for name in names), key=len, reverse=True))
        # A dated or tagged variant (gpt-4o-2024-08-06 of gpt-4o) tells as much.
        return re.sub(rf"(?i)(?<!\w)(?:{longest})(?!\w)(?:[-:@.\w]*\w)?", MODEL, said)

    def deep(self, value: Any) -> Any:
        """The same for every text in a JSON value."""
        match value:
            case str():
                return self.text(value)
            case Mapping():
                return {name: self.deep(one) for name, one in value.items()}
            case list():
                return [self.deep(one) for one in value]
            case _:
                return value
