"""The stack: a house's services rendered for Docker Compose, and deployed."""
