"""Who the guests are, by their Open WebUI user id."""
