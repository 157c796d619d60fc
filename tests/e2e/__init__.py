"""The whole system, started the way people start it."""
