"""Every other policy as a table, and the choice among verdicts and routes."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import permutations
from typing import Any

import pytest

from omnibus import Brand, Capabilities, Drop, Event, Hold, Identity, Reach, Route, Send
from omnibus.facets import BUILT_IN
from omnibus.model.context import Context
from omnibus.model.customer import Customer
from omnibus.model.delivery import Delivery, State
from omnibus.model.offer import Offer
from omnibus.model.verdict import Verdict, strictest
from omnibus.outbound.judge import choose, judge
from omnibus.outbound.resolve import Resolved
from omnibus.policies import Budget, ConsentGiven, InReach, NotSuppressed, OfferAlive, Premises, QuietHours, Safety
from omnibus.policy import Policy
from omnibus.testing.clock import START

FACETS = {each.name: each for each in BUILT_IN}
BRAND = Brand("Acme")
DAY = timedelta(days=1)
LINES = [{"sku": "A1", "quantity": 1, "price": "5"}]


def route(
    channel: str = "mail", *, ambient: bool = False, points: int = 1, audience: Any = "person", **told: Any
) -> Route:
    identity = told.pop("identity", Identity("email", "Ada@Example.com", "email:a"))
    return Route(channel, audience, "one", identity, Capabilities(ambient=ambient), told.pop("reach", Reach()), points)


def delivery(**told: Any) -> Delivery:
    base = {
        "id": "d", "customer": "ada", "subject": "ada", "message": "m", "purpose": "marketing", "brand": "Acme", "topic": "cart",
        "via": ("mail", "text", "post"), "state": State.SENDING, "due": START, "accepted": START, "expires": START + 3 * DAY,
    }  # fmt: skip
    return Delivery(**{**base, **told})


def context(
    *told: tuple[str, dict[str, Any]] | tuple[str, dict[str, Any], datetime], customer: str = "ada", spent: Any = ()
) -> Context:
    events = [
        Event(
            f"e{n}",
            "test",
            each[0],
            each[2] if len(each) > 2 else START - DAY + timedelta(minutes=n),
            customer,
            each[1],
        )  # type: ignore[misc]
        for n, each in enumerate(told)
    ]
    made = Context(Customer(customer), FACETS, spent=spent)
    return made.after(events)


def said(word: str, **scope: str) -> tuple[str, dict[str, Any]]:
    return f"consent.{word}", {"channel": "mail", "purpose": "marketing", "topic": "cart", **scope}


YES, NO = "granted", "withdrawn"
ANY = {"channel": "*", "purpose": "*", "topic": "*"}


@pytest.mark.parametrize(
    ("told", "purpose", "allowed"),
    [
        ((), "marketing", False), ((), "service", True), ((), "transactional", True),
        ((said(YES),), "marketing", True), ((said(YES, channel="text"),), "marketing", False),
        ((said(YES, topic="news"),), "marketing", False), ((said(YES, purpose="service"),), "marketing", False),
        ((said(YES, brand="Other"),), "marketing", False), ((said(YES, brand="Acme"),), "marketing", True),
        ((said(YES, **ANY),), "marketing", True), ((said(YES), said(NO)), "marketing", False),
        ((said(NO), said(YES)), "marketing", True), ((said(YES), said(NO, **ANY)), "marketing", False),
        ((said(NO, **ANY), said(YES)), "marketing", True), ((said(YES), said(NO, topic="news")), "marketing", True),
        ((said(NO),), "service", True), ((said(NO, **ANY),), "service", False), ((said(NO, **ANY),), "transactional", True),
        ((said(YES), ("message.unsubscribed", {"channel": "mail", "topic": "cart"})), "marketing", False),
        ((said(YES), ("message.unsubscribed", {"channel": "text", "topic": "cart"})), "marketing", True),
        ((said(YES), ("message.unsubscribed", {"channel": "*", "topic": "*"})), "service", True),
    ],
)  # fmt: skip
def test_consent(told: Any, purpose: str, allowed: bool) -> None:
    verdict = ConsentGiven().judge(delivery(purpose=purpose), route(), context(*told), BRAND, START)
    assert isinstance(verdict, Send if allowed else Drop)


def test_consent_names_its_proof() -> None:
    verdict = ConsentGiven().judge(delivery(), route(), context(said(YES)), BRAND, START)
    assert verdict == Send(f"granted by test e0 at {(START - DAY).isoformat()}")


def test_a_yes_and_a_no_of_one_moment_are_a_no() -> None:
    told = [(*said(word, topic=topic), START) for word, topic in ((YES, "cart"), (NO, "*"))]
    for order in permutations(told):
        assert isinstance(ConsentGiven().judge(delivery(), route(), context(*order), BRAND, START), Drop)


def test_a_card_in_their_own_visit_needs_no_yes_but_heeds_a_no() -> None:
    policy, card = ConsentGiven(), route(ambient=True)
    assert isinstance(policy.judge(delivery(), card, context(), BRAND, START), Send)
    assert isinstance(policy.judge(delivery(), card, context(said(NO)), BRAND, START), Drop)


@pytest.mark.parametrize(
    ("type_", "purpose", "allowed"),
    [
        ("message.bounced", "marketing", False), ("message.bounced", "transactional", False),
        ("message.complained", "marketing", False), ("message.complained", "transactional", True),
        ("message.complained", "service", True),
    ],
)  # fmt: skip
def test_suppression(type_: str, purpose: str, allowed: bool) -> None:
    found = context((type_, {"identity": "email:a", "suppress": "550"}))
    verdict = NotSuppressed().judge(delivery(purpose=purpose), route(), found, BRAND, START)
    assert verdict == (Send() if allowed else Drop("suppressed: 550"))
    other = route(identity=Identity("email", "b@example.com", "email:b"))
    assert NotSuppressed().judge(delivery(purpose=purpose), other, found, BRAND, START) == Send()


def test_a_start_lifts_the_suppression_of_that_identity() -> None:
    stop = ("message.bounced", {"identity": "email:a", "suppress": "STOP"})
    found = context(stop, said(YES, identity="email:a"))
    assert NotSuppressed().judge(delivery(), route(), found, BRAND, START) == Send()


CART = ("cart.updated", {"id": "c", "lines": LINES})
PAID = ("order.placed", {"id": "o", "lines": LINES})
ISSUED = ("code.issued", {"offer": "come", "expires": (START + DAY).isoformat()})
USED = ("code.redeemed", {"offer": "come"})


@pytest.mark.parametrize(
    ("premise", "told", "true"),
    [
        ("cart.open", (), False), ("cart.open", (CART,), True), ("cart.open", (CART, PAID), False),
        ("cart.open", (CART, ("cart.cleared", {})), False), ("orders.none", (), True), ("orders.none", (PAID,), False),
        ("orders.some", (PAID,), True), ("orders.some", (), False), ("orders.not_bought", (PAID,), False),
        ("orders.not_bought", (), True), ("offer.unredeemed", (ISSUED,), True), ("offer.unredeemed", (ISSUED, USED), False),
        ("offer.valid", (ISSUED,), True), ("offer.valid", (), True), ("engagement.away", (), True),
        ("engagement.away", (("visit.started", {}),), False), ("engagement.away", (("visit.started", {}), ("visit.ended", {})), True),
        ("engagement.interested", (), False), ("engagement.interested", (("product.viewed", {"sku": "A"}),), True),
        ("conversation.quiet", (), True), ("conversation.quiet", (("conversation.received", {"text": "?"}),), False),
        ("conversation.quiet", (("conversation.received", {}), ("conversation.answered", {})), True),
    ],
)  # fmt: skip
def test_premises(premise: str, told: Any, true: bool) -> None:
    one = delivery(premises=(premise,), offer="come", values={"sku": "A1"})
    verdict = Premises().judge(one, route(), context(*told), BRAND, START)
    assert isinstance(verdict, Send if true else Drop)


def test_each_premise_is_tried_here() -> None:
    stated = {f"{name}.{claim}" for name, facet in FACETS.items() for claim in facet.premises()}
    assert stated == {
        "cart.open", "orders.none", "orders.some", "orders.not_bought", "offers.unredeemed", "offers.valid", "engagement.away",
        "engagement.interested", "conversation.quiet",
    }  # fmt: skip
    for name, facet in FACETS.items():
        with pytest.raises(KeyError):
            facet().holds("nonsense", {}, START)
        assert name


def test_a_code_that_ran_out_is_not_valid() -> None:
    one = delivery(premises=("offer.valid",), offer="come")
    assert isinstance(Premises().judge(one, route(), context(ISSUED), BRAND, START + DAY), Drop)


PERSONAL = Offer("come", valid=2 * DAY)


@pytest.mark.parametrize(
    ("offer", "told", "later", "alive"),
    [
        (PERSONAL, (), timedelta(), True), (PERSONAL, (ISSUED,), timedelta(), True), (PERSONAL, (ISSUED,), DAY, False),
        (Offer("come", ends=START), (), timedelta(), False), (Offer("come", ends=START), (), -timedelta(seconds=1), True),
        (Offer("come", kind="shared", code="C"), (ISSUED,), 9 * DAY, True),
        (Offer("come", valid=DAY, renew=3 * DAY), (ISSUED,), DAY, False),
        (Offer("come", valid=DAY, renew=3 * DAY), (ISSUED,), 3 * DAY, True),
        (Offer("come", valid=DAY, renew=3 * DAY), (ISSUED, USED), 3 * DAY, False),
        (Offer("come", valid=DAY, renew=3 * DAY, ends=START + 2 * DAY), (ISSUED,), 3 * DAY, False),
    ],
)  # fmt: skip
def test_offers(offer: Offer, told: Any, later: timedelta, alive: bool) -> None:
    policy = OfferAlive({"come": offer})
    verdict = policy.judge(delivery(offer="come"), route(), context(*told), BRAND, START + later)
    assert verdict == (Send() if alive else Drop("offer come is over"))
    assert (
        policy.judge(delivery(offer="come", purpose="service"), route(), context(*told), BRAND, START + later) == Send()
    )


@pytest.mark.parametrize(
    ("reach", "allowed"),
    [
        (Reach(), True), (Reach(open=False, reason="no"), False), (Reach(until=START + DAY), True), (Reach(until=START), False),
        (Reach(open=False, until=START + DAY), False),
    ],
)  # fmt: skip
def test_reach(reach: Reach, allowed: bool) -> None:
    assert isinstance(
        InReach().judge(delivery(), route(reach=reach), context(), BRAND, START), Send if allowed else Drop
    )


@pytest.mark.parametrize(
    ("only", "allowed"),
    [
        ((), True),
        (("*@example.com",), True),
        (("*@EXAMPLE.com",), True),
        (("*@other.com",), False),
        (("ada@*", "x"), True),
    ],
)
def test_safety(only: Any, allowed: bool) -> None:
    assert isinstance(Safety(only).judge(delivery(), route(), context(), BRAND, START), Send if allowed else Drop)


def test_safety_binds_the_public_and_no_card() -> None:
    policy = Safety(("*@example.com",))
    public = route(audience="public", identity=None)
    assert isinstance(
        policy.judge(delivery(customer="public:post:acme"), public, context(customer="public:post:acme"), BRAND, START),
        Drop,
    )
    assert policy.judge(delivery(), route(ambient=True), context(), BRAND, START) == Send()
    assert not Safety.persons_only
    assert Premises.persons_only


def ago(**told: float) -> datetime:
    return START - timedelta(**told)


@pytest.mark.parametrize(
    ("spent", "points", "verdict"),
    [
        ((), 1, None), ((), 3, None), ((), 4, "never"),
        (((ago(days=1), "mail", 2),), 1, None), (((ago(days=1), "mail", 2),), 2, ago(days=-6)),
        (((ago(days=6), "text", 2), (ago(days=1), "mail", 1)), 1, ago(days=-1)),
        (((ago(days=6), "text", 1), (ago(days=1), "mail", 2)), 2, ago(days=-6)),
        (((ago(days=7), "mail", 3),), 3, None), (((ago(days=7) + timedelta(microseconds=1), "mail", 3),), 1, "just"),
    ],
)  # fmt: skip
def test_budget(spent: Any, points: int, verdict: Any) -> None:
    policy = Budget(timedelta(days=7), 3)
    found = policy.judge(delivery(expires=None), route(points=points), context(spent=spent), BRAND, START)
    if verdict is None:
        assert found == Send()
    else:
        assert isinstance(found, Hold)
        far = datetime.max.replace(tzinfo=START.tzinfo)
        assert found.until == {"never": far, "just": START + timedelta(microseconds=1)}.get(verdict, verdict)


@pytest.mark.parametrize(
    ("one", "way"),
    [
        (delivery(purpose="service"), route()), (delivery(purpose="transactional"), route()), (delivery(), route(ambient=True)),
        (delivery(), route(audience="public", identity=None)),
    ],
)  # fmt: skip
def test_the_budget_binds_marketing_to_persons_only(one: Delivery, way: Route) -> None:
    policy = Budget(timedelta(days=7), 0)
    assert policy.limits(one, way, START) == ()
    assert policy.judge(one, way, context(), BRAND, START) == Send()


def test_a_budget_that_frees_too_late_drops() -> None:
    policy, spent = Budget(timedelta(days=7), 1), ((ago(days=4), "mail", 1),)
    free = START + 3 * DAY
    for expires, kind in ((free, Drop), (free + timedelta(seconds=1), Hold)):
        assert isinstance(policy.judge(delivery(expires=expires), route(), context(spent=spent), BRAND, START), kind)


@pytest.mark.parametrize(("purpose", "kind"), [("marketing", Hold), ("service", Hold), ("transactional", Send)])
def test_the_night_binds_all_but_what_they_asked_for(purpose: str, kind: type) -> None:
    night = START.replace(hour=23)
    assert isinstance(QuietHours().judge(delivery(purpose=purpose), route(), context(), BRAND, night), kind)


def test_the_strictest_verdict_wins() -> None:
    early, late, no = Hold(START, "early"), Hold(START + DAY, "late"), Drop("no")
    for order in permutations([Send(), early, late, no]):
        assert strictest(list(order)) == no
    for order in permutations([Send(), early, late]):
        assert strictest(list(order)) == late
    assert strictest([]) == Send()


class Says(Policy):
    name = "says"

    def __init__(self, **told: Verdict) -> None:
        self.told = told

    def judge(self, delivery: Any, route: Any, context: Any, brand: Any, now: Any) -> Verdict:
        return self.told.get(route.channel, Send())


@pytest.mark.parametrize(
    ("told", "verdict", "channel"),
    [
        ({}, Send(), "mail"), ({"mail": Drop("no")}, Send(), "text"), ({"mail": Hold(START, "h")}, Send(), "text"),
        ({"mail": Hold(START + DAY, "l"), "text": Hold(START, "e"), "post": Drop("no")}, Hold(START, "e"), None),
        ({"mail": Drop("a"), "text": Drop("b"), "post": Drop("c")}, Drop("mail: a; text: b; post: c"), None),
    ],
)  # fmt: skip
def test_over_the_routes(told: Any, verdict: Verdict, channel: str | None) -> None:
    ways = tuple(route(each) for each in ("mail", "text", "post"))
    found = judge(delivery(), Resolved(ways), [Says(**told)], context(), BRAND, START)
    assert (found.verdict, found.route.channel if found.route else None) == (verdict, channel)


def test_a_resting_provider_holds_rather_than_drops() -> None:
    found = judge(delivery(), Resolved((route(),), (), START + DAY), [Says(mail=Drop("no"))], context(), BRAND, START)
    assert found.verdict == Hold(START + DAY, "every provider of a possible route rests")


def test_no_route_says_why() -> None:
    found = judge(delivery(), Resolved((), ("mail: no email known",)), [], context(), BRAND, START)
    assert found.verdict == Drop("mail: no email known")
    assert judge(delivery(), Resolved(()), [], context(), BRAND, START).verdict == Drop("no route")


CLICK = ("message.clicked", {"channel": "post"})


@pytest.mark.parametrize(
    ("told", "chosen"),
    [
        ((), "mail"), ((("customer.updated", {"prefers": "text"}),), "text"), ((("customer.updated", {"prefers": "fax"}),), "mail"),
        ((CLICK,), "post"), ((("message.opened", {"channel": "post"}),), "mail"),
        ((("message.clicked", {"channel": "post", "machine": True}),), "mail"), ((("message.replied", {"channel": "text"}),), "text"),
        ((("customer.updated", {"prefers": "text"}), CLICK), "text"), ((("order.placed", {"place": "post"}),), "post"),
        (((*CLICK, START - 181 * DAY),), "mail"), (((*CLICK, START - 180 * DAY),), "post"),
        ((CLICK, ("message.clicked", {"channel": "mail"})), "mail"),
    ],
)  # fmt: skip
def test_the_choice_among_routes(told: Any, chosen: str) -> None:
    ways = [route(each) for each in ("post", "text", "mail")]
    assert choose(ways, delivery(), context(*told), START).channel == chosen
