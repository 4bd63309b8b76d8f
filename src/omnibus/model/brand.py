"""Who speaks: names, voice, colours, logo, senders, legal lines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Theme:
    """Hold the colours and shapes of the brand; colours as ``#rrggbb``."""

    primary: str = "#1f3a5f"
    on_primary: str = "#ffffff"
    background: str = "#ffffff"
    text: str = "#1c1c1c"
    accent: str = "#c8553d"
    font: str = "Helvetica, Arial, sans-serif"
    logo_url: str = ""
    logo_path: str = ""
    radius: int = 6


@dataclass(frozen=True, slots=True)
class Voice:
    """Hold how the brand sounds: every channel signs off alike."""

    sign_off: str = ""
    avoid: tuple[str, ...] = ()
    max_exclamations: int = 1
    emoji: bool = True


@dataclass(frozen=True, slots=True)
class Brand:
    """Hold one voice for all channels; made from ``brand.toml``.

    Args:
        legal: lines that must stand below marketing (company, address, registration).
        senders: per channel, the account or sender name, where the channel has one.
        handles: public names per channel, e.g. ``{"twitter": "acme"}``.
    """

    name: str
    url: str = ""
    theme: Theme = field(default_factory=Theme)
    voice: Voice = field(default_factory=Voice)
    legal: tuple[str, ...] = ()
    senders: Mapping[str, str] = field(default_factory=dict, repr=False)
    handles: Mapping[str, str] = field(default_factory=dict)
    locale: str = "en"
    zone: str = "UTC"
