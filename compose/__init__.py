"""A house as a Docker stack: what is rendered, what runs, and the way from one to the other."""
