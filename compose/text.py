"""YAML as it is rendered: sorted, without references, the same bytes for the same value. Pure."""

from __future__ import annotations

from typing import Any

import yaml

HEADER = "# Made by `cli render` from maitre.yaml. Change it there: the next render overwrites this file.\n"


def yaml_text(written: Any) -> str:
    """The text of a file."""
    return HEADER + str(yaml.dump(written, Dumper=_Plain, allow_unicode=True, sort_keys=True, width=120))


class _Plain(yaml.SafeDumper):
    """Writes a value again where it comes again, instead of a reference to it."""

    def ignore_aliases(self, data: Any) -> bool:
        """Every value is written."""
        return True
