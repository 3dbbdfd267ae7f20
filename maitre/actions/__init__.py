"""The action log: who did what, from where."""
