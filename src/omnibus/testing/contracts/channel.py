"""What every channel keeps: facts, limits, honesty, purity."""

from __future__ import annotations

import copy
import re
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import FrozenInstanceError, fields, is_dataclass, replace
from typing import Any, ClassVar

from pydantic import ValidationError

from omnibus.channel import Channel
from omnibus.errors import MessageError
from omnibus.model.content import Content
from omnibus.model.context import Context
from omnibus.model.draft import Draft, Fact
from omnibus.model.message import CallToAction
from omnibus.model.verdict import Reach
from omnibus.testing.clock import START
from omnibus.testing.contracts.reading import CONTROL, flat, headers, refusal, strings
from omnibus.testing.drafts import (
    COMMAND,
    INJECTED,
    PICTURE,
    SAMPLES,
    SCRIPT,
    TERMS,
    hostile_draft,
    sample_context,
    sample_draft,
)

_REPORTS = {"delivered", "opened", "clicked", "replied", "bounced", "complained", "unsubscribed"}
_CANARY = "c4n4ry-v4lue"
_SIZES = (0, 1, 60, 67, 70, 71, 134, 140, 153, 160, 161, 200, 280, 306, 459)
_ALPHABETS = {"Latin": "a", "euro signs": "€", "Cyrillic": "ж", "Chinese": "漢", "emoji": "😀", "accents": "é"}


class ChannelContract:
    """Inherit as ``class TestFax(ChannelContract)`` and give ``channel`` (and ``measure`` for a unit of your own).

    Args:
        facets: the plugin's facets, for the context.
        one_line: names of content fields that become one line on the wire.
        without: what this medium cannot have → why. Knows ``brand`` (the account itself names the sender),
            ``block`` (the author has no own words here), ``picture`` (of the preview) and ``error`` (facts can never
            be too long).
    """

    facets: ClassVar[tuple[type[Any], ...]] = ()
    one_line: ClassVar[tuple[str, ...]] = ("subject", "title", "headline", "sender", "preheader", "reply_to")
    without: ClassVar[Mapping[str, str]] = {}
    knows: ClassVar[frozenset[str]] = frozenset({"brand", "block", "picture", "error"})

    @abstractmethod
    def channel(self) -> Channel:
        """Make the channel, with its settings."""

    def measure(self, content: Content) -> int:
        """Count *content* in the unit of the capabilities; override for any but characters and bytes."""
        unit = type(self.channel()).capabilities.unit
        assert unit in {"characters", "bytes"}, f"override measure() to count {unit}"
        return len(content.text.encode() if unit == "bytes" else content.text)

    def draft(self, **changes: Any) -> Draft:
        """Make a sample draft; override where the medium always needs something, e.g. a picture."""
        channel = type(self.channel())
        return sample_draft(channel.name, channel.audience, **changes)

    def hostile(self) -> Draft:
        """Make the hostile draft; override as ``draft``."""
        channel = type(self.channel())
        return hostile_draft(channel.name, channel.audience)

    def context(self) -> Context:
        """Make the context to compose for."""
        return sample_context(self.facets)

    def composed(self, draft: Draft) -> Content:
        """Compose as the core does: layout first."""
        channel = self.channel()
        return channel.compose(draft, channel.layout(draft.message, draft.brand, draft.locale), self.context())

    # ---- what it says of itself

    def test_it_declares_itself_truly(self) -> None:
        """Name, audience, limit and exemptions make sense."""
        channel = type(self.channel())
        assert re.fullmatch(r"[a-z][a-z0-9_]*", channel.name), "the name is a lower-case word"
        assert channel.audience in {"person", "public"}
        can = channel.capabilities
        assert can.max_length is None or can.max_length > 0, "max_length is positive or None"
        assert can.points >= 0, "points are what a message costs"
        assert set(can.reports) <= _REPORTS, f"unknown reports: {set(can.reports) - _REPORTS}"
        unknown = set(self.without) - self.knows
        assert not unknown, f"nothing to do without: {unknown}"
        assert all(self.without.values()), "an exemption says why"

    def test_settings_name_fields_and_never_values(self) -> None:
        """An unknown key is refused, and the error does not quote its value."""
        settings = type(self.channel()).Settings
        error = refusal(lambda: settings.model_validate({"nonsense": _CANARY}), ValidationError)
        assert error, "settings accept an unknown key"
        assert _CANARY not in str(error), "set hide_input_in_errors"

    # ---- facts and limits

    def test_every_fact_stands_letter_by_letter(self) -> None:
        """Price, code, deadline, link and stated opt-out are never dropped, in no sample."""
        for name, draft in self._samples():
            text = self.composed(draft).text
            lost = [fact.text for fact in draft.facts if fact.text not in text]
            assert not lost, f"{name}: lost {lost}"

    def test_it_never_carries_more_than_its_limit(self) -> None:
        """No text is over-long, counted in the declared unit."""
        limit = type(self.channel()).capabilities.max_length
        for name, draft in (*self._samples(), *self._sizes()):
            size = self.measure(self.composed(draft))
            assert limit is None or size <= limit, f"{name}: {size} over {limit}"

    def test_what_is_left_out_is_reported(self) -> None:
        """A headline, paragraph or legal line that is not in the text has a loss with a reason."""
        for name, draft in (*self._samples(), *self._sizes()):
            content = self.composed(draft)
            text = flat(content.text)
            kinds = {"headline", "paragraph", "legal"}
            gone = [each.text[:40] for each in draft.elements if each.kind in kinds and flat(each.text) not in text]
            assert not gone or content.losses, f"{name}: silently lost {gone[:3]}"
            assert all(loss.what and loss.why for loss in content.losses), f"{name}: a loss says what and why"

    def test_what_fits_is_carried_whole(self) -> None:
        """A short message loses nothing."""
        content = self.composed(self.draft(**SAMPLES["plain"]))
        assert "Your parcel has left our house." in flat(content.text)
        assert not [loss for loss in content.losses if loss.what == "paragraph"], "a short message lost something"

    def test_facts_that_cannot_fit_are_an_error_of_the_message(self) -> None:
        """The error says where and how to mend it; the facts are never cut."""
        can = type(self.channel()).capabilities
        if can.max_length is None or "error" in self.without:
            return
        size = (can.max_length + 1) * (160 if can.unit == "segments" else 2)
        draft = self.draft(offer=replace(TERMS, code="WIDE-CODE-" * (size // 10 + 1)))
        error = refusal(lambda: self.composed(draft), MessageError)
        assert error, "facts longer than the limit were composed"
        assert error.where, "the error names the message"
        assert error.fix, "the error says what to do"

    def test_an_authors_own_block_keeps_the_facts(self) -> None:
        """The author's words for this channel are used, and a fact they forgot is added."""
        if "block" in self.without:
            return
        words = "Ada, boots!"
        draft = self.draft(block=words)
        text = self.composed(draft).text
        assert words in text, "the author's own block was not used"
        assert not [fact.text for fact in draft.facts if fact.text not in text], "a block lost a fact"

    def test_a_picture_is_carried_or_reported(self) -> None:
        """The capability ``media`` does not lie, and a picture never vanishes in silence."""
        draft = self.draft(media=(PICTURE,))
        content = self.composed(draft)
        url = draft.media[0].url
        carried = any(url in piece for piece in strings(content))
        assert carried or content.losses, "a picture vanished in silence"
        assert carried or not type(self.channel()).capabilities.media, "capabilities.media, but it is not carried"

    def test_formatted_text_is_carried_where_it_says_so(self) -> None:
        """The capability ``html`` does not lie."""
        if type(self.channel()).capabilities.html:
            assert any("</" in piece for piece in strings(self.composed(self.draft()))), (
                "capabilities.html, but no markup"
            )

    def test_the_brand_is_named(self) -> None:
        """A person can tell who speaks."""
        if "brand" in self.without:
            return
        for name in ("offer", "plain", "over-long"):
            draft = self.draft(**SAMPLES[name])
            sender = draft.brand.senders.get(type(self.channel()).name, draft.brand.name)
            named = any(draft.brand.name in each or sender in each for each in strings(self.composed(draft)))
            assert named, f"{name}: nobody is named"

    # ---- purity

    def test_compose_is_pure(self) -> None:
        """The same draft gives the same content, by any instance, and nothing that was given is changed."""
        for name, draft in self._samples():
            context, before = self.context(), copy.deepcopy(draft)
            bodies = context.bodies()
            channel = self.channel()
            layout = channel.layout(draft.message, draft.brand, draft.locale)
            parts = dict(layout.parts) if layout else {}
            first = channel.compose(draft, layout, context)
            assert first == channel.compose(draft, layout, context), f"{name}: two contents of one draft"
            assert first == self.composed(draft), f"{name}: another instance composes otherwise"
            assert draft == before, f"{name}: the draft was changed"
            assert context.bodies() == bodies, f"{name}: the context was changed"
            assert parts == (layout.parts if layout else {}), f"{name}: the layout was changed"

    def test_content_is_frozen_and_keeps_quiet(self) -> None:
        """Content cannot be changed afterwards, and its ``repr`` holds no words of the message."""
        content = self.composed(self.draft())
        assert is_dataclass(content), "content is a frozen dataclass"
        assert type(content).__dataclass_params__.frozen, "content is frozen"  # type: ignore[attr-defined]
        error = refusal(lambda: setattr(content, "text", "changed"), FrozenInstanceError)
        assert error, "content can be changed"
        shown = repr(content)
        for words in ("Ada", TERMS.code, "We kept your Trail Boots"):
            assert words not in shown, f"repr shows {words!r}: give the field repr=False"

    def test_reach_is_an_answer_and_pure(self) -> None:
        """Reach is told for a known and for an empty context."""
        channel = self.channel()
        for context in (self.context(), sample_context(self.facets)):
            reach = channel.reach(context, START)
            assert isinstance(reach, Reach)
            assert reach == channel.reach(context, START), "reach changes"
            assert reach.open or reach.reason, "a closed channel says why"

    def test_a_preview_shows_words_and_a_picture(self) -> None:
        """What a person will see can be seen before."""
        for name, draft in self._samples():
            preview = self.composed(draft).preview()
            assert preview.text.strip(), f"{name}: an empty preview"
            if "picture" not in self.without:
                assert preview.picture, f"{name}: no picture"
                assert preview.media_type in {"text/html", "image/svg+xml", "image/png"}, (
                    f"{name}: {preview.media_type}"
                )

    # ---- hostile values

    def test_no_value_becomes_a_header_or_a_command(self) -> None:
        """Line ends and control characters of a person's data do not travel."""
        content = self.composed(self.hostile())
        found = CONTROL.search(content.text)
        assert not found, f"control character {found.group()!r} in the text" if found else ""
        for field in fields(content):
            value = getattr(content, field.name)
            if field.name in self.one_line and isinstance(value, str):
                assert not re.search(r"[\r\n\x00\x85\u2028\u2029]", value), f"{field.name} is not one line"
        for piece in strings(content):
            assert COMMAND not in piece, "a control sequence travels"
            head = piece.replace("\r\n", "\n").partition("\n\n")[0]
            wired = piece is not content.text and head.lower().startswith(("from:", "to:", "subject:", "mime-version:"))
            assert not wired or f"\n{INJECTED}:" not in head, "a header was injected"
        for name, value in headers(content):
            assert name != INJECTED, "a header was injected"
            assert not re.search(r"[\r\n\x00]", value), f"line end in header {name}"

    def test_no_value_becomes_markup(self) -> None:
        """A person's data cannot run in a mail, a card or a preview; a link is never a script."""
        content = self.composed(self.hostile())
        preview = content.preview()
        shown = [getattr(content, "html", "") or ""]
        if preview.media_type in {"text/html", "image/svg+xml"}:
            shown.append(preview.picture.decode())
        for piece in shown:
            assert SCRIPT not in piece, "a value became a script"
            assert "<img src=x" not in piece, "a value became markup"
        draft = self.draft(cta=CallToAction("Go", "javascript:OMNI()"))
        try:
            content = self.composed(draft)
        except MessageError:
            return
        picture = content.preview().picture if content.preview().media_type != "image/png" else b""
        assert not re.search(rb"(?i)(href|src)\s*=\s*[\"']?\s*javascript:", picture), "a link runs a script"

    # ---- inside

    def _samples(self) -> Iterator[tuple[str, Draft]]:
        for name, changes in SAMPLES.items():
            yield name, self.draft(**changes)

    def _sizes(self) -> Iterator[tuple[str, Draft]]:
        limit = type(self.channel()).capabilities.max_length or 0
        near = [size for size in range(limit // 2, limit + 8, max(13, limit // 60)) if size < 4_000]
        for alphabet, letter in _ALPHABETS.items():
            for size in (*_SIZES, *near):
                words = " ".join([letter * 8] * (size // 9 + 1))[:size]
                yield (
                    f"{size} of {alphabet}",
                    self.draft(paragraphs=(words,) if words else (), facts=(Fact("price", "€9"),)),
                )
