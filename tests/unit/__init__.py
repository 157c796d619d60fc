"""Tests that need neither a server nor a child process."""
