"""The alerts, one file a concern: when each fires, how bad that is, what it says, and why it is made so.

``model`` is what an alert is; ``listed`` has them all. Each file is a page of runbooks as well: its name is the page's.
"""
