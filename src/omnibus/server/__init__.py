"""The bus over HTTP: webhooks, plugin routes, unsubscribe pages. Needs ``omnibus-bus[server]``."""

from omnibus.server.app import make_app
from omnibus.server.desk import BusDesk
from omnibus.server.serving import Serving

__all__ = ["BusDesk", "Serving", "make_app"]
