"""Tests: unit (no Redis), integration (a real server), support (what both share)."""
