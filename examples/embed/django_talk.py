"""The bus in Django: `shop/talk.py` of a project."""

import atexit
from functools import cache

from django.conf import settings

import omnibus


@cache
def bus() -> omnibus.SyncBus:
    opened = omnibus.open_sync(settings.BASE_DIR / "omnibus.toml").__enter__()
    atexit.register(opened.__exit__, None, None, None)
    return opened
