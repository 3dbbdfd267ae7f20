"""What lies where in the folder of the rendered files."""

from __future__ import annotations

COMPOSE = "compose.yaml"
#: The copies of secrets: written by a deploy, not rendered.
SECRETS = "secrets"
