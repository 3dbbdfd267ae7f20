"""The way to Valkey: one connection that many callers share."""
