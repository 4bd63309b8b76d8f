"""Links that lead back to us: a token names what it is for, never a URL, so nothing can be redirected elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple, dataclass, replace
from functools import lru_cache

from omnibus.errors import Forged
from omnibus.model.delivery import Delivery
from omnibus.model.draft import Draft, Element, Fact, OptOut
from omnibus.tokens import Tokens


class Page(OptOut):
    """Seal the token of the page when somebody reads ``url``: most channels show none."""

    __slots__ = ("_page",)
    _page: Callable[[], str]

    @classmethod
    def of(cls, page: Callable[[], str], bare: OptOut) -> OptOut:
        """Make one whose *url* is not known yet; the rest is as in *bare*."""
        made, fill = object.__new__(cls), object.__setattr__
        fill(made, "_page", page)
        fill(made, "mailto", bare.mailto)
        fill(made, "word", bare.word)
        return made

    def __getattr__(self, name: str) -> str:
        """Fill in the one slot that is empty."""
        if name != "url":
            raise AttributeError(name)
        url = self._page()
        object.__setattr__(self, "url", url)
        return url

    def __eq__(self, other: object) -> bool:
        """Compare what is said, whenever it was sealed."""
        return isinstance(other, OptOut) and astuple(self) == astuple(other)

    def __hash__(self) -> int:
        """Hash as an opt-out does."""
        return hash(astuple(self))


@lru_cache(maxsize=16)
def _by_mail(address: str) -> OptOut:
    return OptOut(mailto=f"mailto:{address}?subject=unsubscribe" if address else "")


@dataclass(frozen=True, slots=True)
class Links:
    """Make and read the links of one bus.

    Args:
        public_url: empty: no links; unsubscribing goes by mail address or by answering.
        mailto: address that takes unsubscribe wishes, without a public URL.
    """

    tokens: Tokens
    public_url: str = ""
    mailto: str = ""

    def opt_out(self, delivery: Delivery) -> OptOut:
        """Say how this person stops this topic on the channel they read."""
        bare = _by_mail(self.mailto)
        if not self.public_url:
            return bare

        def page() -> str:
            claims = {"u": delivery.customer, "d": delivery.id, "t": delivery.topic, "p": delivery.purpose}
            return f"{self.public_url}/u/{self.tokens.seal(claims, 0)}"

        return Page.of(page, bare)

    def tracked(self, draft: Draft, delivery: Delivery) -> Draft:
        """Let the draft's link lead over us, wherever it stands; without a public URL or link the draft stays."""
        if not self.public_url or draft.cta is None or not draft.cta.url.startswith(("https://", "http://")):
            return draft
        url, claims = draft.cta.url, {"c": delivery.customer, "d": delivery.id, "l": draft.cta.url}
        ours = f"{self.public_url}/c/{self.tokens.seal(claims, 0)}"
        return replace(
            draft, cta=replace(draft.cta, url=ours), text=draft.text.replace(url, ours),
            markdown=draft.markdown.replace(url, ours), skeleton="" if url in draft.markdown else draft.skeleton,
            elements=tuple([
                Element(each.kind, each.text.replace(url, ours), each.rank) if url in each.text else each
                for each in draft.elements
            ]),
            facts=tuple([
                Fact(each.kind, each.text.replace(url, ours)) if url in each.text else each for each in draft.facts
            ]),
        )  # fmt: skip

    def read_click(self, token: str) -> dict[str, str]:
        """Read a click token: ``c`` customer, ``d`` delivery, ``l`` where it leads (ours, for we signed it).

        Raises:
            Forged: it is not ours.
        """
        claims = self.tokens.unseal(token)
        if not {"c", "d", "l"} <= claims.keys():
            raise Forged("the token is for something else")
        return claims

    def read_opt_out(self, token: str) -> dict[str, str]:
        """Read an unsubscribe token: ``u`` customer, ``d`` delivery, ``t`` topic, ``p`` purpose.

        Raises:
            Forged: it is not ours.
        """
        claims = self.tokens.unseal(token)
        if not {"u", "d", "t", "p"} <= claims.keys():
            raise Forged("the token is for something else")
        return claims
