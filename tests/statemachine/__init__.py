"""A plain model of a queue against the real scripts, driven by Hypothesis."""
