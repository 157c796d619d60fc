"""How worker processes log: one writer to the process's own descriptor, one chain for structlog and the standard
library, two forms (JSON and console). ``middleware.job_logging`` sets it up, ``middleware.attempt_log`` adds the lines
of finished attempts; docs/guides/logging.md says what operators and authors of actors need to know."""
