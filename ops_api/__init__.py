"""The ops API: what operators and machines ask over HTTP. ``app.create_app`` composes it, a blueprint a file."""
