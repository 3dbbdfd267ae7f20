"""Doors over HTTP. Here: the hardened host of the upstream Pipelines server."""
