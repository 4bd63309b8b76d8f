"""``Writer.draft`` and ``terms_for``: whole drafts, and what is said when a value is missing."""

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta

import pytest

from omnibus.errors import MessageError
from omnibus.model.brand import Brand, Voice
from omnibus.model.draft import Draft, Element, Fact, OptOut
from omnibus.model.message import CallToAction, Media, Message, Purpose
from omnibus.model.offer import Offer, Terms
from omnibus.writing import Writer, read_message, terms_for
from omnibus.writing.sandbox import LIMIT

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
BRAND = Brand(
    "Acme", url="https://acme.example", voice=Voice("Yours, Acme"), legal=("Acme Ltd", "No. 1"), locale="en-GB",
    zone="Europe/London",
)  # fmt: skip
TERMS = Terms("comeback", "ACME-7K3M", "15% off", 15, NOW + timedelta(days=3), "24 November 2026")
VIEW = {
    "customer": {"id": "c1", "name": "Ada L.", "first_name": "Ada"},
    "cart": {
        "id": "77", "url": "https://acme.example/cart/77?a=1&b=(2)", "currency": "EUR", "total": "39.00", "open": True,
        "lines": [{"name": "Trail *Boots*", "quantity": 2, "items": 5}, {"name": "Tea", "quantity": 1}],
    },
    "orders": {"count": 0, "recent": []},
}  # fmt: skip


def message(body: str = "", **given) -> Message:
    return Message("cart-reminder", **{"topic": "cart", "source": "messages/cart-reminder.md", "body": body, **given})


def draft(
    told: Message, *, terms: Terms | None = TERMS, view=VIEW, values=None, locale="en-GB", zone="Europe/London"
) -> Draft:
    return Writer(BRAND).draft(
        told, view=view, values=values or {}, locale=locale, zone=zone, delivery="d1", terms=terms,
        opt_out=OptOut(word="STOP"), now=NOW,
    )  # fmt: skip


def said(body: str, **given) -> str:
    with pytest.raises(MessageError) as caught:
        draft(message(body, data={"lines": {"body": 5}}), **given)
    return str(caught.value)


WHOLE = message(
    "We kept *everything*, see [your cart]({{ cart.url }}):\n\n{% for line in cart.lines %}\n- {{ loop.index }}: "
    "{{ line.quantity }} × {{ line.name }}\n{% endfor %}\n\n## Soon\n\nYours until {{ offer.expires | date }}.\n\n{% if cart.gone %}x{% endif %}",
    headline="{{ customer.first_name }}, your **{{ cart.lines[0].name }}** are waiting",
    cta=CallToAction("Finish {{ greeting }}", "{{ cart.url }}"),
    media=(Media("{{ picture }}", "The {{ cart.lines[1].name }}"), Media("{{ '' }}")),
    blocks={"sms": "{{ customer.first_name }}: {{ cart.lines[0].name }} {{ cart.url }} {{ offer.code }}"},
    preheader="{{ cart.total | money(cart.currency) }}", offer="comeback",
    data={"facts": {"price": "{{ cart.total | money(cart.currency) }}"}, "values": {"greeting": "now", "picture": "x"}},
)  # fmt: skip


def test_a_whole_draft():
    told = replace(WHOLE, body=WHOLE.body.replace("{% if cart.gone %}x{% endif %}", ""))
    made = draft(told, values={"picture": "https://acme.example/p.png"})
    url = "https://acme.example/cart/77?a=1&b=(2)"
    expected = Draft(
        message=told, brand=BRAND, locale="en-GB", delivery="d1",
        headline="Ada, your Trail *Boots* are waiting",
        markdown=(
            "We kept *everything*, see [your cart](https\\:\\/\\/acme\\.example\\/cart\\/77\\?a\\=1\\&b\\=\\(2\\)):\n\n\n"
            "- 1: 2 × Trail \\*Boots\\*\n\n- 2: 1 × Tea\n\n\n## Soon\n\nYours until 24 November 2026."
        ),
        text=(
            f"We kept everything, see your cart: {url}:\n\n- 1: 2 × Trail *Boots*\n- 2: 1 × Tea\n\nSoon\n\n"
            "Yours until 24 November 2026."
        ),
        elements=(
            Element("headline", "Ada, your Trail *Boots* are waiting", 0),
            Element("paragraph", f"We kept everything, see your cart: {url}:", 2),
            Element("paragraph", "- 1: 2 × Trail *Boots*\n- 2: 1 × Tea", 3),
            Element("paragraph", "Soon", 4),
            Element("paragraph", "Yours until 24 November 2026.", 5),
            Element("offer", "15% off: ACME-7K3M until 24 November 2026", 0),
            Element("cta", f"Finish now: {url}", 1),
            Element("sign_off", "Yours, Acme", 6),
            Element("legal", "Acme Ltd\nNo. 1", 7),
        ),
        blocks={"sms": f"Ada: Trail *Boots* {url} ACME-7K3M"},
        facts=(
            Fact("price", "€39.00"), Fact("code", "ACME-7K3M"), Fact("deadline", "24 November 2026"), Fact("link", url),
        ),
        cta=CallToAction("Finish now", url), media=(Media("https://acme.example/p.png", "The Tea"),), offer=TERMS,
        opt_out=OptOut(word="STOP"), preheader="€39.00", thread=made.thread,
        skeleton=(
            "We kept *everything*, see [your cart](\ue0000\ue001):\n\n\n- \ue0001\ue001: \ue0002\ue001 × \ue0003\ue001\n\n"
            "- \ue0004\ue001: \ue0005\ue001 × \ue0006\ue001\n\n\n## Soon\n\nYours until \ue0007\ue001."
        ),
        values=(url, "1", "2", "Trail *Boots*", "2", "1", "Tea", "24 November 2026"),
    )  # fmt: skip
    assert {each.name: getattr(made, each.name) for each in fields(Draft)} == {
        each.name: getattr(expected, each.name) for each in fields(Draft)
    }


def test_the_thread_is_stable_and_tells_nothing():
    one, two = draft(message("a")), draft(message("b"))
    other = draft(message("a"), view={**VIEW, "customer": {"id": "c2"}})
    assert one.thread == two.thread != other.thread
    assert draft(message("a"), view={}).thread == ""


def test_the_public_has_no_person():
    told = message("Hello from {{ brand.name }}, {{ product }}", audience="public")
    made = draft(told, values={"product": "Boots"}, terms=None)
    assert made.text == "Hello from Acme, Boots"
    assert [each.kind for each in made.elements] == ["paragraph", "sign_off"]
    assert made.thread == ""
    with pytest.raises(MessageError, match=r"`customer` is missing"):
        draft(message("{{ customer.first_name }}", audience="public"))


def test_no_legal_lines_below_what_was_asked_for():
    made = draft(message("x", purpose=Purpose.TRANSACTIONAL))
    assert [each.kind for each in made.elements] == ["paragraph", "offer", "sign_off"]


def test_the_context_wins_over_values_and_values_over_the_file():
    told = message("{{ cart.id }} {{ a }} {{ b }}", data={"values": {"a": "file", "b": "file"}})
    assert draft(told, values={"cart": "x", "a": "sender"}).text == "77 sender file"


def test_an_empty_locale_and_zone_are_the_brands():
    made = draft(message("{{ locale }} {{ zone }} {{ today }}"), locale="", zone="")
    assert (made.locale, made.text) == ("en-GB", "en-GB Europe/London 2026-11-21")
    late = Writer(BRAND).draft(
        message("{{ today }}"), view=VIEW, values={}, locale="", zone="Asia/Tokyo", delivery="d", terms=None,
        opt_out=OptOut(), now=datetime(2026, 11, 21, 20, tzinfo=UTC),
    )  # fmt: skip
    assert late.text == "2026-11-22"


def test_a_cta_without_a_link_leads_to_the_brand():
    cta = CallToAction("Go", "{{ cart.nothing | default('') }}")
    assert draft(message("x", cta=cta)).cta == CallToAction("Go", "https://acme.example")
    nowhere = Writer(Brand("Acme")).draft(
        message("x", cta=cta),
        view=VIEW,
        values={},
        locale="",
        zone="",
        delivery="d",
        terms=None,
        opt_out=OptOut(),
        now=NOW,
    )
    assert (nowhere.cta, nowhere.facts) == (None, ())


def test_a_link_that_leads_nowhere():
    told = message("x", cta=CallToAction("Go", "{{ url }}"), data={"lines": {"cta.url": 7}})
    with pytest.raises(MessageError) as caught:
        draft(told, values={"url": "javascript:alert(1)"})
    assert str(caught.value) == "messages/cart-reminder.md:7: the link leads nowhere; use an https URL"


@pytest.mark.parametrize(
    ("values", "locale", "fact"),
    [
        ({"price": "24.00", "currency": "GBP"}, "en-GB", "£24.00"),
        ({"price": "24.00", "currency": "EUR"}, "de", "24,00 €"),
        ({"price": "1234.50 EUR"}, "de-AT", "€ 1.234,50"),
        ({"price": 24}, "en", "24"),
        ({"price": "24"}, "en", "24"),
        ({"price": "from 24 pounds"}, "en", "from 24 pounds"),
    ],
)
def test_the_price_is_a_fact(values, locale, fact):
    assert draft(message("x"), values=values, locale=locale, terms=None).facts == (Fact("price", fact),)


def test_no_price_no_fact():
    assert draft(message("x"), values={"price": ""}, terms=None).facts == ()
    empty = message("x", data={"facts": {"price": "{% if price %}{{ price }}{% endif %}"}})
    assert draft(empty, values={"price": None}, terms=None).facts == ()


SAID = {
    "\n{{ customer.frist_name }}": "messages/cart-reminder.md:6: `frist_name` is missing; did you mean `first_name`?",
    "{{ custmer.name }}": "messages/cart-reminder.md:5: `custmer` is missing; did you mean `customer`?",
    "{{ crat.id }}": "messages/cart-reminder.md:5: `crat` is missing; did you mean `cart`?",
    "{{ cart.lines[7].name }}": "messages/cart-reminder.md:5: entry 7 is missing",
    "{{ orders.recent[0].total }}": "messages/cart-reminder.md:5: entry 0 is missing",
    "{{ cart }}": "messages/cart-reminder.md:5: a value is a table or list; name one of its fields, or join it",
    "a\n\nb {{ nothing }}": (
        'messages/cart-reminder.md:7: a value is empty; give one, or write {{ … | default("…", true) }}'
    ),
    "{{ cart.id.upper }}": "messages/cart-reminder.md:5: `upper` is missing",
    "{{ cart.id.upper() }}": (
        "messages/cart-reminder.md:5: calls are not allowed in a message; values stand as {{ name }} or {{ name | filter }}"
    ),
    "{{ cart.__class__ }}": "messages/cart-reminder.md:5: `__class__` is missing; known are currency, id, lines, open, total, url",
    "{{ 'a' * 9 }}": "messages/cart-reminder.md:5: `*` is not allowed here",
    "{{ 9 ** 9 }}": "messages/cart-reminder.md:5: `**` is not allowed here",
    "{{ 1 / 0 }}": "messages/cart-reminder.md:5: the template fails (ZeroDivisionError)",
    "{{ cart.total | money }}": "messages/cart-reminder.md:5: `money` needs a currency",
    "{{ cart.id | money('EU') }} {{ 'x' | money('EUR') }}": "messages/cart-reminder.md:5: `money` needs an amount",
    "{{ 'x' | date }}": "messages/cart-reminder.md:5: `date` needs a date",
    "{{ 5 | date }}": "messages/cart-reminder.md:5: `date` needs a date",
    "{{ today | date('time') }}": "messages/cart-reminder.md:5: `date` got a day without a time",
    "{{ today | date('yyyy') }}": "messages/cart-reminder.md:5: `date` knows short, medium, long, full and time",
    "{% for a in cart.id %}{% for b in '" + "x" * 300 + "' %}{{ '" + "y" * 300 + "' }}{% endfor %}{% endfor %}": (
        f"messages/cart-reminder.md:5: the text is longer than {LIMIT} characters; shorten it"
    ),
    "{{ [1, 2] | selectattr('x') }}": (
        "messages/cart-reminder.md:5: a value is no text or number; name one of its fields, or join it"
    ),
}  # fmt: skip


@pytest.mark.parametrize("body", SAID)
def test_a_template_that_fails_names_file_line_and_name(body):
    assert said(body, values={"nothing": None}) == SAID[body]


def test_a_message_without_a_file_names_the_part():
    with pytest.raises(MessageError, match=r"^hi headline: `x` is missing; known are brand"):
        draft(Message("hi", headline="{{ x }}"))


def test_what_one_text_sets_no_other_sees():
    told = message("{{ x | default('unset') }}", headline="{% set x = 'set' %}{{ x }}")
    writer = Writer(BRAND)
    given = {
        "view": VIEW,
        "values": {},
        "locale": "",
        "zone": "",
        "delivery": "d",
        "terms": None,
        "opt_out": OptOut(),
        "now": NOW,
    }
    assert {writer.draft(told, **given).text for _ in range(3)} == {"unset"}


def test_a_body_is_read_anew_where_values_change_its_shape():
    told = message("{{ a }} and {{ b }}{% for x in more %}\n\n{{ x }}{% endfor %}")
    writer = Writer(BRAND)

    def text(**values) -> tuple[str, str]:
        made = writer.draft(
            told, view={}, values={"more": [], **values}, locale="", zone="", delivery="d", terms=None, opt_out=OptOut(), now=NOW,
        )  # fmt: skip
        return made.text, made.markdown

    for _ in range(2):
        assert text(a="1", b="2") == ("1 and 2", "1 and 2")
        assert text(a="", b="2") == ("and 2", "and 2")
        assert text(a="1", b="2", more=["x", "y"]) == ("1 and 2\n\nx\n\ny", "1 and 2\n\nx\n\ny")


def test_words_of_a_loop_are_bounded_too():
    told = message("x", blocks={"sms": "{% for a in many %}" + "y" * 1000 + "{% endfor %}"})
    assert len(draft(told, values={"many": [1] * (LIMIT // 1000)}).blocks["sms"]) == LIMIT // 1000 * 1000
    with pytest.raises(MessageError, match=f"the text is longer than {LIMIT} characters"):
        draft(told, values={"many": [1] * (LIMIT // 1000 + 1)})


def test_a_mapping_s_own_names_are_data():
    assert draft(message("{{ cart.lines[0].items }}")).text == "5"


def test_dates_and_money_in_the_persons_language():
    body = (
        "{{ offer.expires | date }} {{ offer.expires | date('full') }} {{ offer.expires | date('time') }} "
        "{{ cart.total | money(cart.currency) }} {{ '5.00 USD' | money }} {{ today | date('short') }}"
    )
    assert draft(message(body), locale="de-DE", zone="Europe/Berlin").text == (
        "24. November 2026 Dienstag, 24. November 2026 10:00 39,00 € 5,00 $ 21.11.26"
    )
    assert draft(message("{{ cart.total | money('EUR') }}"), locale="tlh").text == "€39.00"


def test_a_plugin_may_bring_filters():
    writer = Writer(BRAND, filters={"shout": lambda text: text.upper() + "!"})
    made = writer.draft(
        message("{{ cart.id | shout }}{{ 'ada' | shout }}"), view=VIEW, values={}, locale="", zone="", delivery="d",
        terms=None, opt_out=OptOut(), now=NOW,
    )  # fmt: skip
    assert made.text == "77!ADA!"


@pytest.mark.parametrize(
    ("markdown", "plain"),
    [
        ("a\nb  \nc", "a b\nc"),
        ("1. a\n2. b\n   - c\n   - d", "1. a\n2. b\n  - c\n  - d"),
        ("> said *he*", "said he"),
        ("`code` <b>x</b>", "code <b>x</b>"),
        ("[https://a.example](https://a.example)", "https://a.example"),
        ("<https://a.example>", "https://a.example"),
        ("[Go](mailto:a@b.example) [x](javascript:alert(1))", "Go: mailto:a@b.example x"),
        ("![A mug](https://a.example/x.png) here", "A mug here"),
        ("---\n\na", "a"),
        ("    indented", "indented"),
        ("# A heading ##", "A heading"),
        ("\\*no\\*", "*no*"),
    ],
)
def test_markdown_as_plain_text(markdown, plain):
    assert draft(message(markdown)).text == plain


TERMS_SAID = [
    (Offer("o", percent=15), NOW + timedelta(days=3), "en-GB", "Europe/London", "15% off", "24 November 2026, 09:00"),
    (Offer("o", percent=15), NOW + timedelta(days=3), "de", "Europe/Berlin", "15 % Rabatt", "24. November 2026, 10:00"),
    (Offer("o", percent=15), NOW, "ja", "Asia/Tokyo", "-15%", "2026年11月21日, 18:00"),
    (Offer("o", percent=15, label="A gift"), None, "de", "Europe/Berlin", "A gift", ""),
    (Offer("o"), datetime(2026, 12, 25, tzinfo=UTC), "en-US", "UTC", "10% off", "December 24, 2026"),
    (Offer("o"), datetime(2026, 12, 24, 23, 59, 59, tzinfo=UTC), "en", "UTC", "10% off", "December 24, 2026"),
    (Offer("o"), datetime(2026, 12, 24, 23, tzinfo=UTC), "de", "Europe/Berlin", "10 % Rabatt", "24. Dezember 2026"),
]


@pytest.mark.parametrize(("offer", "expires", "locale", "zone", "label", "deadline"), TERMS_SAID)
def test_terms(offer, expires, locale, zone, label, deadline):
    made = terms_for(offer, "CODE", expires, locale, zone)
    assert made == Terms("o", "CODE", label, offer.percent, expires, deadline)


def test_a_block_error_names_its_line(tmp_path):
    (tmp_path / "x.md").write_text("---\n---\nHi\n\n::: sms\nfine\n{{ cart.x }}\n:::\n")
    told = read_message(tmp_path / "x.md")
    with pytest.raises(MessageError) as caught:
        draft(told)
    assert str(caught.value).startswith(f"{tmp_path.name}/x.md:7: `x` is missing; known are")
