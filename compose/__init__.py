"""The stack in containers: what is rendered, and how it is deployed."""
