"""What every place where campaigns rest must keep, as tests to inherit beside ``StoreContract``, unchanged."""

from omnibus.testing.contracts.roll.expanding import ExpandingContract
from omnibus.testing.contracts.roll.parts import EVERYBODY, MAIL, SPRING, RollParts, numbered
from omnibus.testing.contracts.roll.steering import SteeringContract

__all__ = ["EVERYBODY", "MAIL", "SPRING", "RollContract", "RollParts", "numbered"]


class RollContract(ExpandingContract, SteeringContract):
    """Campaigns: lists, chunks, pauses, sums."""
