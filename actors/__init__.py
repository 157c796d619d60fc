"""The job types of the platform, one file a queue. Importing this package composes the application (``app.compose``),
so that ``dramatiq actors`` runs workers."""

from actors.app import compose

compose()
