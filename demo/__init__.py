"""Peers on this machine that stand in for the outside world: for the demo and for tests, never for production.

Each is started in the calling process, binds to 127.0.0.1 on a free port and answers as it is told.
"""
