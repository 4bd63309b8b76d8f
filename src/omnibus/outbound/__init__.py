"""THE ROAD OUT, in reading order: resolve judge compose dispatch; ``outbox`` is where wishes are put.

::

    app ── Message ─► OUTBOX ─ claim ─► resolve ─► judge ─► compose ─► attempt ─► provider ─► world

No stage knows the next; ``dispatch`` alone ties them.
"""
