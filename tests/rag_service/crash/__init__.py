"""Workers, Postgres and the service, killed at every step of indexing."""
