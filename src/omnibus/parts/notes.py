"""Notes: what providers keep, encrypted."""

from __future__ import annotations

from omnibus.errors import Forged
from omnibus.store import Store
from omnibus.tokens import Sealer


class Notes:
    """Keep a provider's notes in the store, encrypted."""

    def __init__(self, store: Store, scope: str, sealer: Sealer) -> None:
        self._store, self._scope, self._sealer = store, scope, sealer

    async def get(self, name: str) -> str | None:
        """Read a note; one that does not open with this key counts as missing."""
        sealed = await self._store.note(self._scope, name)
        if not sealed:
            return None
        try:
            return self._sealer.open(sealed, f"{self._scope}/{name}")
        except Forged:
            return None

    async def set(self, name: str, value: str) -> None:
        """Write a note."""
        await self._store.note(self._scope, name, self._sealer.close(value, f"{self._scope}/{name}"))
