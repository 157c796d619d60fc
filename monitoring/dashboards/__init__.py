"""Grafana's eight dashboards, as data.

A board is a function ``Site -> Board`` in the file of its name: rows of panels, each with its queries, its unit and why
one looks at it. Everything else follows from these boards: the JSON that Grafana loads (``render``, on ``views``,
``layout``, ``templating``, ``annotations`` and ``links``), the page ``docs/dashboards.md`` (``page``), and the queries
as a Prometheus takes them (``substituted``), so that a test can run each one.

How queries are written, and a test holds them to it: a rate of a raw counter has the range ``$__rate_interval``; where
a recording rule exists, it is used; what every replica of the exporter says alike is joined by ``max by``, what each
worker process counts for itself by ``sum by``; and what Prometheus knows is asked through the variable ``$datasource``.
"""
