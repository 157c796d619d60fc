"""Faults on real servers and real worker processes, and what must hold after each (docs/faults.md)."""
