"""Chunks and their vectors in PostgreSQL: ingest, search plans, filters, fusion. Usable alone: docs/vector-store.md."""
