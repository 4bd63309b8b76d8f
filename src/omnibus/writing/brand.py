"""``brand.toml`` → ``Brand``: unknown keys are refused, colours must be readable."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, field_validator

from omnibus.errors import MessageError
from omnibus.model.brand import Brand, Theme, Voice
from omnibus.settings.section import Section
from omnibus.settings.sections import read_zone
from omnibus.settings.words import RULES, Mistake, describe, suggest

#: the least contrast of text that people can read (WCAG 2.2, success criterion 1.4.3)
CONTRAST = 4.5

Colour = Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]


_PLAIN = Theme()  # a slotted dataclass keeps its defaults out of the class


class ThemeTable(Section):
    """Read ``[theme]``; a logo is a URL, or a file beside ``brand.toml``."""

    primary: Colour = _PLAIN.primary
    on_primary: Colour = _PLAIN.on_primary
    background: Colour = _PLAIN.background
    text: Colour = _PLAIN.text
    accent: Colour = _PLAIN.accent
    font: str = _PLAIN.font
    logo_url: str = ""
    logo_path: str = ""
    radius: int = Field(default=6, ge=0, le=64)


class VoiceTable(Section):
    """Read ``[voice]``."""

    sign_off: str = ""
    avoid: tuple[str, ...] = ()
    max_exclamations: int = Field(default=1, ge=0)
    emoji: bool = True


class BrandTable(Section):
    """Read ``brand.toml``."""

    name: str = Field(min_length=1)
    url: str = ""
    locale: str = "en"
    zone: str = "UTC"
    legal: tuple[str, ...] = ()
    theme: ThemeTable = ThemeTable()
    voice: VoiceTable = VoiceTable()
    senders: dict[str, str] = Field(default={})
    handles: dict[str, str] = Field(default={})

    @field_validator("zone")
    @classmethod
    def _zone(cls, told: str) -> str:
        return str(read_zone(told))

    @field_validator("locale")
    @classmethod
    def _locale(cls, told: str) -> str:
        if not re.fullmatch(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*", told):
            raise ValueError("must be a language tag such as en-GB")
        return told


def read_brand(path: Path) -> Brand:
    """Read the brand file.

    Raises:
        MessageError: no TOML, an unknown key, a wrong value, a logo that is not there, colours nobody can read.
    """
    try:
        told = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise MessageError(f"there is no {path.name}", fix="`omnibus init` makes one") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        reason = str(error) if isinstance(error, tomllib.TOMLDecodeError) else type(error).__name__
        raise MessageError(f"not readable as TOML: {reason}", where=path.name) from None
    try:
        table = BrandTable.model_validate(told)
    except ValidationError as error:
        found = [_error(each, path.name) for each in describe(error, own=True)]
        raise found[0] if len(found) == 1 else MessageError("\n".join(map(str, found))) from None
    _check_contrast(table.theme, path.name)
    theme = table.theme.model_dump()
    if theme["logo_path"]:
        logo = path.absolute().parent / theme["logo_path"]
        if not logo.is_file():
            raise MessageError(
                "the file in `logo_path` is not there", where=f"{path.name} [theme]", fix="mend the path"
            )
        theme["logo_path"] = str(logo)
    told = {**table.model_dump(), "theme": Theme(**theme), "voice": Voice(**table.voice.model_dump())}
    return Brand(**told)


def contrast(one: str, other: str) -> float:
    """Reckon how well two colours (``#rrggbb``) stand out from each other: 1 to 21.

    Source: WCAG 2.2, "contrast ratio" and "relative luminance".
    """
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _check_contrast(theme: ThemeTable, file: str) -> None:
    for front, back in (("text", "background"), ("on_primary", "primary")):
        ratio = contrast(getattr(theme, front), getattr(theme, back))
        if ratio < CONTRAST:
            # cut, not rounded: 4.499 must not read as 4.5
            raise MessageError(
                f"`{front}` on `{back}` has a contrast of {int(ratio * 100) / 100:.2f}, below {CONTRAST}",
                where=f"{file} [theme]", fix="make one of them darker or lighter",
            )  # fmt: skip


def _error(mistake: Mistake, file: str) -> MessageError:
    *before, key = mistake.loc
    where = f"{file} [{'.'.join(before)}]" if before else file
    if mistake.unknown:
        known: Any = {"theme": Theme, "voice": Voice}.get(before[0]) if before else Brand
        return MessageError(
            f"unknown key `{key}`", where=where, fix=suggest(key, [each.name for each in fields(known)])
        )
    if mistake.missing:
        return MessageError(f"`{key}` is missing", where=where, fix=f'add `{key} = "…"`')
    is_colour = before == ["theme"] and mistake.what == RULES["string_pattern_mismatch"]
    what = "must be a colour such as #1f3a5f" if is_colour else mistake.what
    return MessageError(f"`{key}` {what}", where=where)
