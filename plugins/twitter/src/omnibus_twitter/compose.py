"""Shape a draft's text for X: fit one post, part a thread, write a direct message. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from omnibus import Draft, Element, Loss, Message, MessageError, Purpose
from omnibus_twitter.weight import clean, cut, split, weight

LIMIT_DIRECT = 10_000  # characters of a direct message (the v1.1 figure; v2 states only a minimum)
MAX_POSTS = 25  # of a thread, as X's own composer allows; half of it is filled, for words leave gaps
_SMALL = 24  # units below which a shortened paragraph says nothing
_GAP = "\n\n"
#: how to stop direct messages, by language; the word itself is the draft's
_WAY_OUT = {
    "de": "Antworten Sie {word}, um keine weiteren Nachrichten zu erhalten.",
    "en": "Reply {word} to stop these messages.",
    "es": "Responda {word} para dejar de recibir estos mensajes.",
    "fr": "Répondez {word} pour ne plus recevoir ces messages.",
    "it": "Rispondi {word} per non ricevere più questi messaggi.",
    "nl": "Antwoord {word} om deze berichten te stoppen.",
    "pt": "Responda {word} para deixar de receber estas mensagens.",
    "ro": "Răspundeți {word} pentru a nu mai primi aceste mesaje.",
}


def options(message: Message) -> dict[str, Any]:
    """Read the message's own ``twitter`` table: ``reply_to``, ``thread``, and fields of X's create request."""
    own = message.data.get("twitter", {})
    return dict(own) if isinstance(own, dict) else {}


def pieces(draft: Draft) -> list[Element]:
    """List what there is to say, in reading order; an author's own block for X replaces the rest."""
    own = draft.blocks.get("twitter", "").strip()
    told = [Element("paragraph", own, 0)] if own else list(draft.elements)
    told = [replace(each, text=clean(each.text)) for each in told]
    return [each for each in told if each.text]


def missing(draft: Draft, told: Sequence[Element]) -> str:
    """Write the facts that stand in none of the pieces, one a line."""
    texts = dict.fromkeys(fact.text for fact in draft.facts)
    return "\n".join(text for text in texts if not any(text in each.text for each in told))


def joined(draft: Draft, told: Sequence[Element]) -> str:
    """Write the pieces as paragraphs, and the missing facts as a last one."""
    return _GAP.join(filter(None, (*(each.text for each in told), missing(draft, told))))


def shed(
    draft: Draft, size: Callable[[str], int], limit: int, unit: str, least: int = 0
) -> tuple[list[Element], list[Loss]]:
    """Leave out the highest ranks, the later ones first, until all fits; the last *least* pieces stay.

    *size* must be additive over paragraphs, so that a long draft is measured once only.
    """
    told, losses = pieces(draft), []
    sizes = [size(each.text) + len(_GAP) for each in told]
    total = sum(sizes)
    while len(told) > least and total - len(_GAP) + _room_for(draft, told, size) > limit:
        last = max(range(len(told)), key=lambda place: (told[place].rank, place))
        total -= sizes.pop(last)
        losses.append(Loss(told.pop(last).kind, f"no room in {limit} {unit}"))
    return told, losses


def _room_for(draft: Draft, told: Sequence[Element], size: Callable[[str], int]) -> int:
    facts = missing(draft, told)
    return size(facts) + len(_GAP) if facts else 0


def fit(draft: Draft, limit: int) -> tuple[str, tuple[Loss, ...]]:
    """Fit one post: the highest ranks go first, then what is left is shortened; every fact stays.

    Raises:
        MessageError: the facts alone weigh more than *limit*.
    """
    told, losses = shed(draft, weight, limit, "weighted units", least=1)
    text = joined(draft, told)
    if weight(text) <= limit:
        return text, tuple(losses)
    facts = missing(draft, ())
    if weight(facts) > limit:
        raise _too_long(draft, f"its facts alone weigh {weight(facts)} of X's {limit} units")
    room = limit - (weight(facts) + len(_GAP) if facts else 0)
    short = cut(told[0].text, room) if room >= _SMALL or not facts else ""
    losses.append(Loss(told[0].kind, f"{'shortened to' if short else 'no room in'} {limit} weighted units"))
    return joined(draft, [replace(told[0], text=short)] if short else []), tuple(losses)


def thread(draft: Draft, limit: int) -> tuple[tuple[str, ...], tuple[Loss, ...]]:
    """Part the whole text into posts; a fact that a border would break stands again in a post of its own.

    Raises:
        MessageError: one fact alone weighs more than *limit*.
    """
    for fact in draft.facts:
        if weight(fact.text) > limit:
            raise _too_long(draft, f"its {fact.kind} alone weighs more than X's {limit} units")
    told, losses = shed(draft, weight, limit * MAX_POSTS // 2, "weighted units")
    posts = split(joined(draft, told), limit)
    broken = dict.fromkeys(fact.text for fact in draft.facts if not any(fact.text in post for post in posts))
    posts += split(_GAP.join(broken), limit)
    whole = " ".join(_GAP.join(posts).split())
    losses += [Loss(each.kind, "parted between posts") for each in told if " ".join(each.text.split()) not in whole]
    return posts, tuple(losses)


def direct_text(draft: Draft) -> tuple[str, tuple[Loss, ...]]:
    """Write a direct message: all pieces, all facts, and a way out below marketing; 10,000 characters at most.

    Raises:
        MessageError: the facts alone are longer.
    """
    out = way_out(draft)
    limit = LIMIT_DIRECT - (len(out) + len(_GAP) if out else 0)
    told, losses = shed(draft, len, limit, "characters")
    text = _GAP.join(filter(None, (joined(draft, told), out)))
    if len(text) > LIMIT_DIRECT:
        raise _too_long(draft, f"its facts alone exceed the {LIMIT_DIRECT} characters of a direct message")
    return text, tuple(losses)


def way_out(draft: Draft) -> str:
    """Say how to stop, in the draft's language; empty where nothing is sold or the facts say it already."""
    if draft.message.purpose is not Purpose.MARKETING or any(each.kind == "opt_out" for each in draft.facts):
        return ""
    return _WAY_OUT.get(draft.locale.split("-")[0].lower(), _WAY_OUT["en"]).format(word=draft.opt_out.word or "STOP")


def _too_long(draft: Draft, what: str) -> MessageError:
    place = draft.message.source or draft.message.name
    return MessageError(what, where=place, fix="shorten link, label or deadline, or leave twitter out of `via`")
