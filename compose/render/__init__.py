"""The files of the stack, made of the house, the wishes and the services."""
