"""Plans, windows and reservations: how much a guest may use, and what is held while they use it."""
