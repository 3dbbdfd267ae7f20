"""The turn: one message from a guest to a settled answer."""
