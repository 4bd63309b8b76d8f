"""PORT: where the roads out and in rest, durably. Batch in, one commit per call.

What a caller wants done to one customer is a ``Change``, computed outside the store from a loaded context and
guarded by its version: when somebody else was faster the answer is *stale*, and the caller loads and folds
again. So folding stays pure Python, and the same port serves an embedded file and many machines.
"""

from omnibus.store.attempt import CodeRow, Grant, Limit, OpenAttempt, Outcome, Try
from omnibus.store.bodies import FAULTY, decode_bodies, encode_bodies
from omnibus.store.change import Change, Move
from omnibus.store.cues import Cues, EntryKey, Walker
from omnibus.store.loaded import Loaded, Spent, Survey
from omnibus.store.port import Store
from omnibus.store.settlement import Settlement
from omnibus.store.step import Step, Stride
from omnibus.store.wish import Take, Wish

__all__ = [
    "FAULTY", "Change", "CodeRow", "Cues", "EntryKey", "Grant", "Limit", "Loaded", "Move", "OpenAttempt", "Outcome",
    "Settlement", "Spent", "Step", "Store", "Stride", "Survey", "Take", "Try", "Walker", "Wish", "decode_bodies",
    "encode_bodies",
]  # fmt: skip
