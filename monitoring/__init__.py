"""Monitoring as code: alert and recording rules with their tests, Alertmanager's configuration, Grafana's dashboards.

Everything here is a pure function of the queue catalogue, of ``limits`` (numbers that are no queue's own) and of a
``Site`` (where links lead, how fast time runs). ``callboard generate`` writes what ``files`` lists into the source
tree; it is committed; a test fails when it differs. Nothing here runs in production, and the wheel does not hold it.
"""
