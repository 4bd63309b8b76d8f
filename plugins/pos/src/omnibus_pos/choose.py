"""Choose what a small screen shows: by rank, in reading order, every fact kept and every loss told. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from omnibus import Draft, Loss
from omnibus_pos.paper import clean


def chosen(
    draft: Draft, channel: str, fits: Callable[[str], bool], why: str, headline: int
) -> tuple[list[tuple[str, str]], list[Loss]]:
    """Choose the author's own block, or the elements that fit beside the facts.

    Args:
        fits: tells whether a text can be shown.
        why: the reason of a loss.
        headline: characters that a headline may have.

    Returns:
        (kind, text) in reading order, and what did not fit.
    """
    offered = [(each.kind, clean(each.text), each.rank) for each in draft.elements]
    if channel in draft.blocks:
        offered = [("headline", draft.headline, 1), ("paragraph", clean(draft.blocks[channel]), 0)]
    offered = [(kind, line(text) if kind == "headline" else text, rank) for kind, text, rank in offered if text]
    facts = [clean(fact.text) for fact in draft.facts]
    losses, kept = list[Loss](), set[int]()
    for place in sorted(range(len(offered)), key=lambda each: offered[each][2]):
        kind, text, _ = offered[place]
        if kind == "headline" and len(text) > headline:
            losses.append(Loss(kind, f"a headline holds {headline} characters"))
        elif fits(joined([offered[each][1] for each in sorted({*kept, place})], facts)):
            kept.add(place)
        else:
            losses.append(Loss(kind, why))
    return [offered[place][:2] for place in sorted(kept)], losses


def joined(pieces: Sequence[str], facts: Sequence[str], above: str = "", gap: str = "\n\n") -> str:
    """Set pieces below each other, and every fact that none of them states below that."""
    text = gap.join(pieces)
    missing = [fact for fact in dict.fromkeys(facts) if fact not in text and fact not in above]
    return "\n".join(filter(None, (text, *missing)))


def line(text: str) -> str:
    """Write on one line, control characters dropped."""
    return " ".join(clean(text).split())
