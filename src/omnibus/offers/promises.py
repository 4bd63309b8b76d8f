"""What a customer is promised of an offer: code, deadline, words; and redeeming it exactly once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from omnibus.errors import Conflict, NotFound, stranger
from omnibus.facets.offers import Issued, Offers
from omnibus.model.context import Context
from omnibus.model.event import Event
from omnibus.model.offer import Handover, Offer, Redemption, Terms
from omnibus.offers.codes import SHORT, grouped, hashed, personal, plain, token, well_formed
from omnibus.store import CodeRow, Loaded, Store
from omnibus.timeline import TRIES, Timeline
from omnibus.tokens import Tokens

SOURCE = "omnibus"
HANDOVER_LIFE = timedelta(hours=2)


class Promises:
    """Issue, list and redeem offers.

    Args:
        wording: makes the terms in a language (``omnibus.writing.drafts.terms_for``).
        zone: the brand's, in which a shared offer ends for everybody.
        key: master key; codes are derived from it and stored as keyed hashes.
    """

    def __init__(
        self, offers: Mapping[str, Offer], key: bytes, store: Store, timeline: Timeline,
        wording: Callable[[Offer, str, datetime | None, str, str], Terms], tokens: Tokens,
        zone: str = "UTC",
    ) -> None:  # fmt: skip
        self.offers, self._key, self.store, self.timeline = offers, key, store, timeline
        self.wording, self.tokens, self._zone = wording, tokens, zone

    def offer(self, name: str) -> Offer:
        """Give an offer by name.

        Raises:
            NotFound: it is not configured.
        """
        if name not in self.offers:
            raise NotFound(
                f"no offer `{name}`", where="[offers]", fix=f"known: {', '.join(sorted(self.offers)) or 'none'}"
            )
        return self.offers[name]

    def promise(
        self, name: str, context: Context, locale: str, zone: str, now: datetime
    ) -> tuple[Terms, CodeRow, Event | None]:
        """Tell a customer's terms, the code's row, and the event that makes it theirs (None when it already is)."""
        offer = self.offer(name)
        customer = context.customer
        if offer.kind == "shared" or customer.public:
            code = offer.code or personal(self._key, name, "public")
            row = CodeRow(hashed(self._key, code), name, "")
            return self.wording(offer, code, offer.ends, locale, self._zone), row, None  # one deadline for everybody
        issued = context[Offers].held.get(name)
        number = issued.number if issued else 0
        if issued is None or (not _alive(issued, now) and issued.redeemed is None and offer.renewable(issued.at, now)):
            issued, number = None, number + 1
        expires = issued.expires if issued else offer.expires(now)
        code = personal(self._key, name, customer.id, number)
        row = CodeRow(hashed(self._key, code), name, customer.id)
        event = None
        if issued is None:
            data = {"offer": name, "number": number, **({"expires": expires.isoformat()} if expires else {})}
            event = Event(f"code:{name}:{customer.id}:{number}", SOURCE, "code.issued", now, customer.id, data)
        return self.wording(offer, code, expires, locale, zone), row, event

    async def issue(self, name: str, customer: str) -> Terms:
        """Make an offer a customer's now; the same code as any message would carry."""
        context = await self.timeline.read(customer)
        profile = context.named("profile")
        now = self.timeline.now()
        terms, row, event = self.promise(name, context, profile.locale or "en", profile.zone or "UTC", now)
        await self.store.issue([row])
        if event is not None:
            await self.timeline.put([event])
        return terms

    async def held(self, customer: str) -> list[Terms]:
        """List what a customer may still redeem, with the codes."""
        context = await self.timeline.read(customer)
        profile, now = context.named("profile"), self.timeline.now()
        found = []
        for name, issued in sorted(context[Offers].held.items()):
            if name in self.offers and _alive(issued, now):
                found.append(self.promise(name, context, profile.locale or "en", profile.zone or "UTC", now)[0])
        return found

    async def redeem(self, code: str, *, basket: str, customer: str = "", source: str) -> Redemption:
        """Redeem a code for a basket: whoever races, one basket wins, and it gets the same answer when it asks again.

        A personal code is its customer's whoever brings it. A shared one counts once per customer and within its limit.
        """
        shared = next(
            (each for each in self.offers.values() if each.kind == "shared" and plain(each.code) == plain(code)), None
        )
        row = await self.store.code(hashed(self._key, code))
        if shared is not None:
            row = CodeRow(hashed(self._key, code), shared.name, "")
        elif row is None or not well_formed(code):
            return Redemption(False, "", basket, "unknown code")
        offer = self.offers.get(row.offer)
        if offer is None:
            return Redemption(False, row.offer, "", "the offer is over")
        for _ in range(TRIES):
            answer = await self._redeem_once(row, offer, basket, row.customer or customer, source)
            if answer is not None:
                return replace(answer, percent=offer.percent if answer.won else 0)
        raise Conflict("the context kept moving; try again")

    async def _redeem_once(
        self, row: CodeRow, offer: Offer, basket: str, customer: str, source: str
    ) -> Redemption | None:
        now, single = self.timeline.now(), bool(row.customer)
        change, ends = None, offer.ends
        if customer:
            loaded = (await self.store.load([customer])).get(customer)
            if loaded is None:
                raise stranger(customer)
            customer = loaded.customer.id
            data = {"offer": offer.name, "basket": basket}
            event = Event(f"redeemed:{row.hash}:{basket}", source, "code.redeemed", now, customer, data)
            if await self.store.known([(source, event.id)]):
                ends = None  # asked again: it gets its answer again, however late
            else:
                issued = self.timeline.context(loaded)[Offers].held.get(offer.name)
                if single and (refusal := self._refusal(row, offer, loaded, issued)):
                    return Redemption(False, offer.name, "", refusal, customer=customer)
                ends = issued.expires if single and issued else offer.ends
                change = await self.timeline.fold(loaded, [event])
        if ends is not None and now > ends:
            return Redemption(False, offer.name, "", "expired", customer=customer)
        answer = await self.store.redeem(
            row, basket=basket, customer=customer, single=single, limit=offer.limit, now=now, change=change
        )
        if change is not None:
            self.timeline.ring([customer])  # the web shop shows at once that the till redeemed it
        return answer

    def _refusal(self, row: CodeRow, offer: Offer, loaded: Loaded, issued: Issued | None) -> str:
        """Say why a personal code is none any more; of people who became one, each one's code is theirs, once in all."""
        number = issued.number if issued else 1
        mine = {hashed(self._key, personal(self._key, offer.name, each, number)) for each in loaded.aliases}
        if row.hash not in mine:
            return "expired"  # a later one took its place
        merged = len(loaded.aliases) > 1
        return "already redeemed" if merged and issued is not None and issued.redeemed is not None else ""

    async def hand_over(self, customer: str) -> Handover:
        """Issue a signed token (QR) and a short code (typed) that lead the till to this customer."""
        now = self.timeline.now()
        expires = now + HANDOVER_LIFE
        await self.timeline.read(customer)
        signed = self.tokens.seal({"handover": customer}, int(HANDOVER_LIFE.total_seconds()))
        short = token(self._key, f"handover\0{signed}", SHORT)
        await self.store.put_handover(hashed(self._key, short), customer, expires)
        id_ = f"handover:{hashed(self._key, short)[:24]}"
        await self.timeline.put(
            [Event(id_, SOURCE, "handover.issued", now, customer, {"expires": expires.isoformat()})]
        )
        return Handover(signed, grouped(short), customer, expires)

    async def claim(self, typed: str, *, source: str) -> str:
        """Read a token or a typed short code; gives the customer and puts `handover.claimed` on the timeline.

        Raises:
            NotFound: unknown, forged or expired.
        """
        now = self.timeline.now()
        customer: str | None
        if len(plain(typed)) == SHORT + 1:
            customer, mark = (
                await self.store.claim_handover(hashed(self._key, typed), now),
                hashed(self._key, typed)[:24],
            )
        else:
            claims = self.tokens.read(typed)
            customer, mark = (claims or {}).get("handover"), hashed(self._key, typed)[:24]
        if not customer:
            raise NotFound("this hand-over code is unknown or expired", fix="ask the customer to make a new one")
        context = await self.timeline.read(customer)
        event = Event(f"claimed:{mark}", source, "handover.claimed", now, context.customer.id, {})
        await self.timeline.put([event])
        return context.customer.id


def _alive(issued: Issued, now: datetime) -> bool:
    return issued.redeemed is None and (issued.expires is None or issued.expires > now)
