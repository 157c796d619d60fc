"""Tests on real servers and real processes, started by the tests on loopback."""
