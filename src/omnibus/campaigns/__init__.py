"""CAMPAIGNS: one message to many, expanded in customer order, only as fast as it is sent.

::

    launch ─► list (durable) ─► chunk of 100: deliveries + cursor, one commit ─► the road out, as for any other delivery
                                  ▲ only while few of its deliveries want out │
                                  └───────────────────────────────────────────┘
"""
