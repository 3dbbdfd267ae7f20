"""The house's front door: Traefik's static file and its dynamic files, made from the stack's settings."""
