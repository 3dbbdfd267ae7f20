"""The whole house on embedded parts, without Docker: real processes on loopback, for one machine."""
