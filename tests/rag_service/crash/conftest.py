"""The same surroundings as for the jobs themselves."""

from tests.rag_service.ingest.conftest import desk, embedder, pool

__all__ = ["desk", "embedder", "pool"]
