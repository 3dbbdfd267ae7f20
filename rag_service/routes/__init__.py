"""The routes, one file a noun."""

from rag_service.routes import collections, documents, health, imports, jobs, queries, uploads

ROUTERS = [part.router for part in (health, collections, documents, uploads, imports, jobs, queries)]
