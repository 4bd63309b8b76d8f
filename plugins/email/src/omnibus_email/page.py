"""Fill the page that the layout has prepared: a person's texts come into its slots, all else is there already."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from omnibus import CallToAction, Draft, Loss
from omnibus_email.form import NOTHING, Form, Made, joined, made, shown
from omnibus_email.layout import Page, lines
from omnibus_email.markup import CONTROL, SAFE_URL, SLOT, paragraphs, slotted, to_html
from omnibus_email.words import Words

KEPT = 512  # texts whose HTML is remembered; each is the same for many people


def filled(draft: Draft, page: Page, words: Words, losses: list[Loss]) -> Made:
    """Write the HTML; every fact stands in one of its slots."""
    subject = shown(words.subject)
    values = {
        "subject": subject,
        "headline": subject if words.headline == words.subject else shown(words.headline),
        "preheader": shown(words.preheader),
        "body": _body(draft, page, words),
        "image": _images(draft, page, losses) if draft.media else NOTHING,
        "offer": _offer(draft, page, words),
        "cta": _call(page, draft.cta) if draft.cta else NOTHING,
        "sign": _signed(page, words.sign_off) if words.sign_off else NOTHING,
        "stop": page.sections["stop"].place([shown(words.stop)]) if words.stop else NOTHING,
    }
    return page.form.fill(values)


def _offer(draft: Draft, page: Page, words: Words) -> Made:
    offer = draft.offer
    if offer is None:
        return NOTHING
    until = words.offer.partition(offer.code)[2].strip(" ·") if offer.code else ""
    told = {"label": lines(offer.label), "code": lines(offer.code), "until": lines(until or offer.deadline)}
    return page.sections["offer"].fill(told)


def _call(page: Page, cta: CallToAction) -> Made:
    url = shown(web(cta.url))
    if cta.label == page.label:
        return page.sections["labelled"].place([url])
    return page.sections["cta"].fill({"url": url, "label": lines(cta.label)})


def _signed(page: Page, sign_off: str) -> Made:
    return page.signed if sign_off == page.sign_off else page.sections["sign"].fill({"sign_off": lines(sign_off)})


def _images(draft: Draft, page: Page, losses: list[Loss]) -> Made:
    """Show the pictures that the layout has read, and those on the web."""
    pieces = []
    for media in draft.media:
        cid = page.cids.get(media.url)
        if cid is None and not media.url.startswith("https://"):
            losses.append(Loss("picture", "neither an https URL nor a file that the author named"))
            continue
        told = {"src": shown(f"cid:{cid}" if cid else media.url), "alt": lines(media.alt)}
        pieces.append(page.sections["image"].fill(told))
    return joined(pieces)


def _body(draft: Draft, page: Page, words: Words) -> Made:
    """Write the body, and below it the facts that nothing else on the page says."""
    body = _own(words.own, page) if words.own else _text(draft, page)
    if not words.unsaid:
        return body
    return joined([body, *(_own(each, page) for each in words.unsaid)])


def _own(text: str, page: Page) -> Made:
    return made(CONTROL.sub("", paragraphs(text, dict(page.styles))))


def _text(draft: Draft, page: Page) -> Made:
    read = _read(draft.skeleton, page.styles) if draft.skeleton else None
    pieces = None if read is None else _pieces(read[0].slots, read[1], draft.values)
    if read is None or pieces is None:
        return made(CONTROL.sub("", to_html(draft.markdown, dict(page.styles))))
    return read[0].place(pieces)


def _pieces(slots: Sequence[str], targets: Sequence[str], values: Sequence[str]) -> list[Made] | None:
    """Show a value in each slot; None where a link's target needs the whole Markdown reader."""
    pieces = []
    for slot in slots:
        if slot[0] != "L":
            pieces.append(shown(values[int(slot)]))
            continue
        url = SLOT.sub(lambda found: values[int(found[1])], targets[int(slot[1:])])
        if not SAFE_URL.fullmatch(url):
            return None
        pieces.append(shown(url))
    return pieces


@lru_cache(maxsize=KEPT)
def _read(skeleton: str, styles: tuple[tuple[str, str], ...]) -> tuple[Form, tuple[str, ...]] | None:
    found = slotted(skeleton, dict(styles))
    return None if found is None else (Form.of(found[0], SLOT), found[1])


def web(url: str) -> str:
    """Let through links that a mail client may open: web, mail and telephone; anything else leads nowhere."""
    return url if url.lower().startswith(("https://", "http://", "mailto:", "tel:")) else "#"
