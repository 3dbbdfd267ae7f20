"""Tools that the house itself runs for an assistant."""
