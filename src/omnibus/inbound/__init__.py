"""THE ROAD IN, in reading order: receive inbox advance.

::

    world ── Request ─► provider.receive (verify, parse) ─► (INBOX + fold: one commit) ─► advance (journeys) ─► OUTBOX
"""
