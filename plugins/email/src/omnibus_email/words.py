"""Find the words of a mail: its subject, its text part, and what stands in both parts."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from omnibus import Draft, Fact, Loss
from omnibus_email.layout import Page
from omnibus_email.markup import CONTROL

PREVIEW = 140  # characters of the body that stand in for a missing preheader
MAX_SUBJECT = 250  # characters; clients show 30 to 70 of them
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")  # would end a header or hide in one


@dataclass(frozen=True, slots=True)
class Words:
    """Hold what the parts of a mail share.

    Args:
        own: what the author wrote for mail alone; empty where the draft's text is said.
        offer: the offer in one line.
        unsaid: facts that nothing else on the page says.
        stop: where to unsubscribe; empty where one cannot.
    """

    subject: str = field(repr=False)
    headline: str = field(repr=False)
    preheader: str = field(repr=False)
    own: str = field(repr=False)
    offer: str = field(repr=False)
    sign_off: str
    unsaid: tuple[str, ...] = field(repr=False)
    stop: str = field(repr=False)


def words_of(draft: Draft, losses: list[Loss]) -> Words:
    """Gather them."""
    headline, own = line(draft.headline), draft.blocks.get("email", "")
    return Words(
        _subject(headline or line(draft.brand.name), losses), headline, line(draft.preheader) or line(draft.text[:PREVIEW]),
        own, _offer_line(draft), _sign_off(draft), _unsaid(draft, own), draft.opt_out.url or draft.opt_out.mailto,
    )  # fmt: skip


def line(text: str) -> str:
    """Make a text one line."""
    return text.strip() if text.isprintable() else _UNSEEN.sub(" ", text).strip()


def plain(draft: Draft, page: Page, words: Words) -> str:
    """Write the text part: what the HTML says, in the same order, and every fact letter by letter."""
    pieces = [draft.headline, words.own or draft.text, words.offer]
    if draft.cta:
        pieces.append(f"{draft.cta.label}: {draft.cta.url}")
    pieces.append(words.sign_off)
    pieces += _missing(draft.facts, "\n".join(pieces))
    foot = [*draft.brand.legal]
    if words.stop:
        foot.append(f"{page.stop}: {words.stop}")
    foot += [each.text for each in draft.facts if each.kind == "opt_out" and each.text not in "\n".join(foot)]
    if foot:
        pieces += ["--", "\n".join(foot)]
    text = "\n\n".join([each for each in map(str.strip, pieces) if each])
    return (text if text.replace("\n", "").isprintable() else CONTROL.sub("", text)) + "\n"


def _subject(subject: str, losses: list[Loss]) -> str:
    if len(subject) <= MAX_SUBJECT:
        return subject
    losses.append(Loss("end of the subject", f"over {MAX_SUBJECT} characters"))
    return subject[: MAX_SUBJECT - 1].rstrip() + "…"


def _unsaid(draft: Draft, own: str) -> tuple[str, ...]:
    said = [draft.headline, own or draft.text]
    said += [draft.offer.code, draft.offer.label, draft.offer.deadline] if draft.offer else []
    said += [draft.cta.url] if draft.cta else []
    return tuple(_missing(draft.facts, "\n".join(said)))


def _missing(facts: tuple[Fact, ...], text: str) -> list[str]:
    return [each.text for each in facts if each.kind != "opt_out" and each.text not in text]


def _offer_line(draft: Draft) -> str:
    """Say the offer in one line: as the draft words it, else its plain parts."""
    offer = draft.offer
    if offer is None:
        return ""
    told = next((each.text for each in draft.elements if each.kind == "offer"), "")
    if told and offer.code in told and offer.deadline in told:
        return told
    return " · ".join(each for each in (offer.label, offer.code, offer.deadline) if each)


def _sign_off(draft: Draft) -> str:
    told = [each.text for each in draft.elements if each.kind == "sign_off"]
    sign = "\n".join(told) or draft.brand.voice.sign_off
    return "" if sign and draft.text.rstrip().endswith(sign) else sign
