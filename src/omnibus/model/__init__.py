"""The nouns: frozen values, no I/O, no clock. Start with ``context.py``: it is what all the others meet in."""
