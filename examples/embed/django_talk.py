"""The bus in Django: `shop/talk.py` of a project."""

from functools import cache

from django.conf import settings

import omnibus


@cache
def bus() -> omnibus.SyncBus:
    return omnibus.open_sync(settings.BASE_DIR / "omnibus.toml").__enter__()
