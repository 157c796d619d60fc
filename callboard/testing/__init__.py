"""Jobs without Redis, for tests: the same door, middleware and ``current_job()`` as in production, run on the calling
thread by a clock that stands still until it is moved. See docs/guides/test-a-job.md::

    from callboard.testing import inline_broker

    def test_a_table_is_vacuumed():
        with inline_broker() as broker:
            sent = vacuum.send(table="posts")
            broker.run_all()
            assert broker.job(sent).state == "completed"

pytest finds the same as fixtures, ``callboard_broker`` and ``callboard_clock`` (``pytest_callboard.py``).
"""

from callboard.testing.broker import InlineBroker
from callboard.testing.clock import Clock
from callboard.testing.moving import inline_broker
from callboard.testing.seen import JobSeen

__all__ = ["Clock", "InlineBroker", "JobSeen", "inline_broker"]
