"""pluggy hooks, a handful: they register, they never send."""

from __future__ import annotations

from typing import Any, Protocol

import pluggy

HOOKSPEC_VERSION = "1"

hookspec = pluggy.HookspecMarker("omnibus")
hookimpl = pluggy.HookimplMarker("omnibus")


class Register(Protocol):
    """Take what a plugin brings."""

    def __call__(self, *things: Any) -> None:
        """Add Channel, Provider, Facet, Policy and Sandbox classes, Endpoint values or click commands."""


@hookspec
def omnibus_register(register: Register) -> None:
    """Call ``register(Fax, Acme, Loyalty, NoSunday, Endpoint(…))`` with everything the plugin brings."""


@hookspec
def omnibus_sandbox(register: Register) -> None:
    """Call ``register(AcmeSandbox)`` with the provider's side for tests and demo; import it inside the hook."""
