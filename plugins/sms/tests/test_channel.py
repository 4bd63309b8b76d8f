from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from omnibus import Content, Context, Fact, Loss, MessageError, Money, Purpose
from omnibus.testing.contracts import ChannelContract
from omnibus.testing.drafts import PICTURE, sample_context, sample_draft
from omnibus_sms import Sms, SmsContent
from omnibus_sms.channel import SmsSettings
from omnibus_sms.segments import segment


class TestSms(ChannelContract):
    one_line = ("name",)

    def channel(self) -> Sms:
        return Sms()

    def measure(self, content: Content) -> int:
        return len(segment(content.text))


def composed(draft, context: Context | None = None, **settings) -> SmsContent:
    return Sms(SmsSettings(**settings)).compose(draft, None, context or sample_context())


def test_an_offer_is_said_in_full_with_name_and_way_out():
    made = composed(sample_draft("sms"), max_segments=4)
    assert made == SmsContent(
        text="Ada, your Trail Boots are waiting\nWe kept your Trail Boots for you.\n"
        "They are €39.00 until the shop closes, in your size.\n"
        "15 % off with code ADA7-K2M9-3QXT until 24 November 2026\nFinish your order: https://acme.example/c/7Qx2\n"
        "Your Acme team\nAcme Ltd, 1 High Street, London\nReply STOP to opt out",
        encoding="gsm7", segments=2, name="Acme", colour="#0b5d3b",
    )  # fmt: skip


def test_the_least_important_goes_first_and_is_reported():
    made = composed(sample_draft("sms"), max_segments=1)
    assert made.text == (
        "Acme: 15 % off with code ADA7-K2M9-3QXT until 24 November 2026\n"
        "Finish your order: https://acme.example/c/7Qx2 €39.00\nReply STOP to opt out"
    )
    assert made.segments == 1
    assert made.losses == (
        Loss("sign_off: 1 sentence", "more than 1 SMS part"),
        Loss("legal: 1 sentence", "more than 1 SMS part"),
        Loss("paragraph: 2 sentences", "more than 1 SMS part"),
        Loss("headline: 1 sentence", "more than 1 SMS part"),
    )


def test_the_authors_block_is_used_and_gets_what_it_lacks():
    made = composed(sample_draft("sms", block="Ada, your boots wait: https://acme.example/c/7Qx2 ADA7-K2M9-3QXT"))
    assert made.text == (
        "Acme: Ada, your boots wait: https://acme.example/c/7Qx2 ADA7-K2M9-3QXT €39.00 24 November 2026\nReply STOP to opt out"
    )
    assert made.losses == ()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("ACME boots. Reply STOP to end", True),
        ("acme boots. Text STOP 2 quit", True),
        ("Acme boots. STOP to opt out", True),
        ("Acme boots, NON STOP sale", False),
        ("Acme: stop by our shop", False),
        ("Acme: we reply to everyone", False),
    ],
)
def test_the_way_out_is_said_once(words, said):
    made = composed(sample_draft("sms", block=words, offer=None, cta=None, paragraphs=()))
    assert made.text == (words if said else f"{words}\nReply STOP to opt out")


@pytest.mark.parametrize(
    ("settings", "locale", "end"),
    [
        ({}, "de-AT", "\nAbmelden: Antwort STOP"),
        ({}, "fr_CA", "\nRépondez STOP pour vous désinscrire"),
        ({"opt_out_line": "link"}, "en", "\nOpt out: https://talk.example.com/u/t0k3n"),
        ({"opt_out_line": "off"}, "en", "Acme: Boots!"),
        ({"opt_out_text": "Txt {word} 2 end"}, "de", "\nTxt STOP 2 end"),
    ],
)
def test_the_way_out_by_setting_and_language(settings, locale, end):
    draft = sample_draft("sms", block="Boots!", offer=None, cta=None, paragraphs=(), locale=locale)
    assert composed(draft, **settings).text.endswith(end)


def test_only_marketing_says_how_to_stop():
    for purpose in (Purpose.SERVICE, Purpose.TRANSACTIONAL):
        draft = sample_draft(
            "sms", block="Acme: your code is 1234", offer=None, cta=None, paragraphs=(), purpose=purpose
        )
        assert composed(draft).text == "Acme: your code is 1234"


def test_a_link_does_not_speak_for_the_brand():
    draft = sample_draft(
        "sms", block="See https://acme.example/c/7Qx2", offer=None, paragraphs=(), purpose=Purpose.SERVICE
    )
    assert composed(draft).text == "Acme: See https://acme.example/c/7Qx2"


def test_facts_that_do_not_fit_are_an_error_that_names_place_and_fix():
    with pytest.raises(MessageError) as error:
        composed(sample_draft("sms", facts=(Fact("code", "X" * 480),)))
    assert (error.value.where, error.value.what) == (
        "messages/cart-reminder.md", "what the SMS must say needs more than 3 parts",
    )  # fmt: skip


def test_typography_is_spelt_in_gsm7_but_facts_stay_letter_by_letter():
    draft = sample_draft(
        "sms", block="Acme – it’s “yours”…", offer=None, cta=None, paragraphs=(), purpose=Purpose.SERVICE
    )
    assert composed(draft).encoding == "ucs2"
    made = composed(draft, transliterate="typography")
    assert (made.text, made.encoding) == ('Acme - it\'s "yours"...', "gsm7")
    assert made.losses == (Loss("typography: 5 characters", "spelt in GSM-7 to save parts"),)
    stated = replace(draft, facts=(Fact("code", "it’s"),))
    assert composed(stated, transliterate="typography").text == "Acme – it’s “yours”…"


def test_the_estimate_is_by_the_numbers_country_and_parts():
    prices = {"*": Decimal("0.10"), "GB": Decimal("0.04"), "+4477": Decimal("0.03")}
    made = composed(sample_draft("sms"), prices=prices, currency="EUR")
    assert (made.segments, made.cost) == (2, Money(Decimal("0.08"), "EUR"))  # +442079460000 is British
    assert "about 0.08 EUR" in made.preview().text
    assert composed(sample_draft("sms"), prices={"US": Decimal(1)}).cost is None


def test_pictures_go_only_where_mms_is_on():
    draft = sample_draft("sms", media=(PICTURE,))
    assert composed(draft, mms=True).media == (PICTURE.url,)
    plain = composed(draft)
    assert plain.media == ()
    assert [loss.what for loss in plain.losses] == ["picture 1"]


def test_the_preview_is_words_and_a_bubble():
    preview = composed(sample_draft("sms", block="<b>Acme</b> & co", offer=None, cta=None, paragraphs=())).preview()
    assert preview.text == "<b>Acme</b> & co\nReply STOP to opt out\n[1 part GSM-7]"
    assert preview.media_type == "image/svg+xml"
    assert b"&lt;b&gt;Acme&lt;/b&gt; &amp; co" in preview.picture
    assert b"#0b5d3b" in preview.picture
