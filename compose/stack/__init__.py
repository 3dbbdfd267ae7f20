"""What an operator may wish of the stack, and the services that come of it."""
