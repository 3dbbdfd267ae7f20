"""The official `openai` clients, unchanged but for their base URL and key, against a real gateway."""
