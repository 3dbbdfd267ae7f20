"""Which assistant answers when a guest leaves the choice to the house."""
