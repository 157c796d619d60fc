"""The real scripts beside the model: whatever is done to both, both must agree."""

from __future__ import annotations

from tests.statemachine.bulk import BulkMachine
from tests.statemachine.looking import LookingMachine
from tests.statemachine.steering import SteeringMachine


class QueueMachine(SteeringMachine, BulkMachine, LookingMachine):
    """One queue, two clients, three worker processes, and all that can happen to them."""
