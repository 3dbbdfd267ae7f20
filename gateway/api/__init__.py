"""The routes of the public API: one file a noun, one table of all."""
