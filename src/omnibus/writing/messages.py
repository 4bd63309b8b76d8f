"""``messages/*.md`` → ``Message``: front matter, a headline, a body, blocks for single channels; all checked when read.

``cart-reminder.md`` is the message, ``cart-reminder.de.md`` the same in German: it gives new words only.
With ``like: launch`` a message takes what it does not say itself from ``launch.md``: product, price and offer of a
campaign are said once.

``Message.data`` holds ``facts`` (templates of mandatory facts), ``values`` (what the templates get unless the sender
says otherwise), ``lines`` (where each text begins in the file) and whatever stands under ``data``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omnibus.errors import MessageError, NotFound
from omnibus.model.message import CallToAction, Media, Message
from omnibus.settings.words import suggest
from omnibus.writing.front import Front, Known, read_front
from omnibus.writing.parts import mistake_in
from omnibus.writing.sandbox import TemplateMistake
from omnibus.writing.templates import Templates

_NAME = re.compile(r"(?P<name>[a-z0-9][a-z0-9_-]*)(?:\.(?P<language>[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*))?")
_HEADLINE = re.compile(r"#\s+(?P<text>.*?)(?:\s+#+)?\s*")
_OPEN = re.compile(r":::+\s*(?P<channel>[\w-]+)\s*")
_CLOSE = re.compile(r":::+\s*")
_FENCE = re.compile(r"\s{0,3}(`{3,}|~{3,})")
_VALUE_IN_CODE = re.compile(r"`[^`]*\{\{[^`]*`")
KEPT = 4096  # picks that are remembered


@dataclass(frozen=True, slots=True)
class Messages:
    """Hold all messages by name, and each in its languages; the language of the plain file is ``""``."""

    by_name: Mapping[str, Mapping[str, Message]] = field(default_factory=dict)
    _picked: dict[tuple[str, str], Message] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def names(self) -> tuple[str, ...]:
        """List the names, sorted."""
        return tuple(sorted(self.by_name))

    def pick(self, name: str, locale: str = "") -> Message:
        """Give a message in the language nearest to *locale* (``de-AT`` → ``de`` → the plain file).

        Raises:
            NotFound: no such message, with the nearest name.
        """
        found = self._picked.get((name, locale))
        if found is None:
            languages = self.by_name.get(name)
            if languages is None:
                raise NotFound(f"there is no message `{name}`", fix=suggest(name, self.by_name))
            parts = locale.lower().split("-")
            tags = ["-".join(parts[:end]) for end in range(len(parts), 0, -1)]
            found = next((languages[tag] for tag in (*tags, "") if tag in languages), next(iter(languages.values())))
            if len(self._picked) >= KEPT:  # people may call their language anything
                self._picked.clear()
            self._picked[name, locale] = found
        return found


@dataclass(slots=True)
class _Page:
    """Hold the pieces of one file, each with the line it begins at."""

    headline: str = ""
    body: list[str] = field(default_factory=list)
    blocks: dict[str, list[str]] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)


def read_message(
    path: Path, *, channels: Collection[str] | None = None,
    premises: Collection[str] | Callable[[str], bool] | None = None, offers: Collection[str] | None = None,
) -> Message:  # fmt: skip
    """Read one message file; ``x.de.md`` takes what it does not say itself from ``x.md`` beside it.

    Args:
        channels, premises, offers: what is known; None checks nothing of the kind.

    Raises:
        MessageError: with file, line and fix.
    """
    known, source = Known(channels, premises, offers), f"{path.parent.name}/{path.name}"
    name, language = _split_name(path, source)
    front, version = _front(path, source, known, base=f"{name}.md" if language else "")
    page = _read_page(front.rest, front.rest_line, source, known)
    return _checked(_message(name, front, page, path.parent, version))


def _front(path: Path, source: str, known: Known, base: str, seen: tuple[str, ...] = ()) -> tuple[Front, str]:
    """Read a front matter over those it starts from; returns it and the version, a hash of all files read."""
    text = _text(path, source, fix=f"write {path.name} first" if seen else "")
    own, version = read_front(text, source, known), text
    other = base or (f"{own.like}.md" if own.like else "")
    if other:
        if other in seen:
            raise own.wrong("`like` goes round in a circle", "like")
        below = path.with_name(other)
        if not below.is_file() and not base:
            names = [each.stem for each in path.parent.glob("*.md") if each != path]
            raise own.wrong(f"there is no message `{own.like}`", "like", fix=suggest(own.like, names))
        front, version = _front(below, f"{path.parent.name}/{other}", known, "", (*seen, path.name))
        own, version = own.over(front, words_only=bool(base)), text + version
    return own, hashlib.sha256(version.encode()).hexdigest()[:12]


def read_messages(
    folder: Path, *, channels: Collection[str] | None = None,
    premises: Collection[str] | Callable[[str], bool] | None = None, offers: Collection[str] | None = None,
) -> Messages:  # fmt: skip
    """Read every ``*.md`` of a folder; a folder that is not there holds no messages.

    Raises:
        MessageError: the first file that is wrong, with line and fix.
    """
    found: dict[str, dict[str, Message]] = {}
    for path in sorted(folder.glob("*.md")):
        message = read_message(path, channels=channels, premises=premises, offers=offers)
        found.setdefault(message.name, {})[_split_name(path, path.name)[1].lower()] = message
    return Messages(found)


def _message(name: str, front: Front, page: _Page, folder: Path, version: str) -> Message:
    media = []
    for told in front.media:
        local = "{{" not in told.url and "://" not in told.url
        if local and not (folder / told.url).is_file():
            raise front.wrong(
                "the picture is not there", "image", fix="mend the path; it starts at the message's folder"
            )
        media.append(Media(str((folder / told.url).resolve()), told.alt) if local else told)
    body = "\n".join(page.body)
    if not body.strip() and not page.headline:
        where = f"{front.source}:{front.rest_line}"
        raise MessageError("the message says nothing", where=where, fix="write a `# headline` and a text below it")
    lines = {**front.template_lines, **page.lines}
    blocks = {channel: "\n".join(rows).strip("\n") for channel, rows in page.blocks.items()}
    return Message(
        name, **front.fields, version=version, headline=page.headline, body=body, blocks=blocks, media=tuple(media),
        data={**front.data, "facts": dict(front.facts), "values": dict(front.values), "lines": lines}, source=front.source,
    )  # fmt: skip


def _checked(message: Message) -> Message:
    templates = Templates()
    for part, source in _sources(message):
        try:
            templates.check(source)
        except TemplateMistake as mistake:
            raise mistake_in(message, part, mistake) from None
    for number, row in enumerate(message.body.split("\n"), start=1):
        if _VALUE_IN_CODE.search(row):
            # Markdown shows backslashes in code, so an escaped value would not come out as it is
            coded = TemplateMistake("a value cannot stand in code marks", line=number, fix="use **{{ … }}**")
            raise mistake_in(message, "body", coded)
    return message


def _sources(message: Message) -> Iterator[tuple[str, str]]:
    cta: CallToAction = message.cta or CallToAction("", "")
    facts: Mapping[str, Any] = message.data["facts"]
    yield from (("headline", message.headline), ("body", message.body), ("preheader", message.preheader))
    yield from (("cta.label", cta.label), ("cta.url", cta.url))
    yield from ((f"facts.{kind}", str(text)) for kind, text in facts.items())
    for media in message.media:
        yield from (("image", media.url), ("image", media.alt))
    yield from ((f"::: {name}", text) for name, text in message.blocks.items())


def _read_page(text: str, first: int, source: str, known: Known) -> _Page:
    """Split the text below the front matter; a line taken out leaves an empty one, so that numbers stay true."""
    page, block, opened, fence = _Page(), "", 0, ""
    for number, row in enumerate(text.split("\n"), start=first):
        fenced = _FENCE.match(row)
        if block:
            if _CLOSE.fullmatch(row):
                block = ""
            else:
                page.blocks[block].append(row)
            row = ""  # noqa: PLW2901 - it belongs to the block
        elif fenced or fence:
            fence = "" if fence and row.strip().startswith(fence) else fence or (fenced[1] if fenced else "")
        elif opening := _OPEN.fullmatch(row):
            block, opened = opening["channel"], number
            _check_block(page, block, f"{source}:{number}", known)
            page.blocks[block], page.lines[f"::: {block}"], row = [], number + 1, ""  # noqa: PLW2901 - as above
        elif headline := _HEADLINE.fullmatch(row):
            if page.headline:
                raise MessageError(
                    "there is a second headline", where=f"{source}:{number}", fix="use ## below the first"
                )
            page.headline, page.lines["headline"], row = headline["text"], number, ""  # noqa: PLW2901 - as above
        page.body.append(row)
    if block:
        raise MessageError(f"`::: {block}` is never closed", where=f"{source}:{opened}", fix="write ::: below it")
    skip = next((index for index, row in enumerate(page.body) if row.strip()), 0)
    page.body, page.lines["body"] = page.body[skip:], first + skip
    while page.body and not page.body[-1].strip():
        page.body.pop()
    page.blocks = {name: rows for name, rows in page.blocks.items() if any(map(str.strip, rows))}
    return page


def _check_block(page: _Page, channel: str, where: str, known: Known) -> None:
    if channel in page.blocks:
        raise MessageError(f"there is a second block `::: {channel}`", where=where, fix="join the two")
    if known.channels is not None and channel not in known.channels:
        raise MessageError(f"unknown channel `{channel}`", where=where, fix=suggest(channel, known.channels))


def _split_name(path: Path, source: str) -> tuple[str, str]:
    found = _NAME.fullmatch(path.name.removesuffix(".md"))
    if not found:
        fix = "use a name such as cart-reminder.md or cart-reminder.de.md"
        raise MessageError("the file name is no message name", where=source, fix=fix)
    return found["name"], found["language"] or ""


def _text(path: Path, source: str, fix: str = "") -> str:
    try:
        return path.read_text("utf-8").replace("\r\n", "\n").lstrip("\ufeff")
    except FileNotFoundError:
        raise MessageError(f"there is no {path.name}", where=source, fix=fix) from None
    except (UnicodeDecodeError, OSError) as error:
        raise MessageError(f"cannot be read ({type(error).__name__})", where=source, fix="save it as UTF-8") from None
