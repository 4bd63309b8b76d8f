"""What every place where campaigns rest must keep, as tests to inherit beside ``StoreContract``, unchanged."""

from omnibus.testing.contracts.roll.expanding import ExpandingContract
from omnibus.testing.contracts.roll.parts import EVERYBODY, MAIL, SPRING, RollParts, numbered
from omnibus.testing.contracts.roll.steering import SteeringContract
from omnibus.testing.contracts.roll.stopping import StoppingContract

__all__ = ["EVERYBODY", "MAIL", "SPRING", "RollContract", "RollParts", "numbered"]


class RollContract(ExpandingContract, SteeringContract, StoppingContract):
    """Campaigns: lists, chunks, pauses, stops, sums."""
