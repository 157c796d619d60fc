"""What happens around every job, one concern a file; ``stack`` has them in their order."""
