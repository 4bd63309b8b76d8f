import re
from dataclasses import replace
from email import message_from_bytes, policy
from html.parser import HTMLParser

import pytest

from omnibus import Brand, Channel, Media, MessageError, Purpose
from omnibus.testing import ChannelContract, hostile_draft, sample_context, sample_draft
from omnibus_email import Attachment, Email, EmailContent
from omnibus_email.form import Form
from omnibus_email.layout import contrast

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)


class TestEmail(ChannelContract):
    def channel(self) -> Channel:
        return Email()


def composed(**changes) -> EmailContent:
    draft = sample_draft("email", **changes)
    channel = Email()
    return channel.compose(draft, channel.layout(draft.message, draft.brand, draft.locale), sample_context())


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.words, self.tags = [], []

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data) -> None:
        self.words.append(data)


def page(html: str) -> _Words:
    parser = _Words()
    parser.feed(html)
    return parser


def test_the_text_part_says_all_in_order() -> None:
    assert composed().text == (
        "Ada, your Trail Boots are waiting\n\n"
        "We kept your Trail Boots for you.\n\n"
        "They are €39.00 until the shop closes, in your size.\n\n"
        "15 % off with code ADA7-K2M9-3QXT until 24 November 2026\n\n"
        "Finish your order: https://acme.example/c/7Qx2\n\n"
        "Your Acme team\n\n"
        "--\n\n"
        "Acme Ltd, 1 High Street, London\nUnsubscribe: https://talk.example.com/u/t0k3n\n"
    )


def test_every_fact_stands_in_the_html_too() -> None:
    content = composed()
    shown = page(content.html)
    words = " ".join(" ".join(shown.words).split())
    for each in ("€39.00", "ADA7-K2M9-3QXT", "24 November 2026", "Acme Ltd, 1 High Street, London", "Your Acme team"):
        assert each in words
    links = [attrs["href"] for tag, attrs in shown.tags if tag == "a"]
    assert links == ["https://acme.example/c/7Qx2", "https://talk.example.com/u/t0k3n"]


def test_a_fact_that_the_block_forgot_is_in_both_parts() -> None:
    content = composed(block="Boots!")
    assert "€39.00" in content.text
    assert "€39.00" in page(content.html).words


def test_one_click_headers_only_where_one_may_unsubscribe() -> None:
    assert composed().headers == {
        "List-Unsubscribe": "<https://talk.example.com/u/t0k3n>, <mailto:stop@acme.example>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }
    draft = sample_draft("email")
    draft = replace(draft, message=replace(draft.message, purpose=Purpose.TRANSACTIONAL))
    assert draft.opt_out.url
    assert Email().compose(draft, None, sample_context()).headers == {}


def test_a_plain_http_page_is_no_one_click_address() -> None:
    draft = sample_draft("email")
    draft = replace(draft, opt_out=replace(draft.opt_out, url="http://talk.example.com/u/1"))
    content = Email().compose(draft, None, sample_context())
    assert list(content.headers) == ["List-Unsubscribe"]


def test_the_layout_inlines_keeps_dark_mode_and_is_used_as_it_is() -> None:
    content = composed()
    assert "@media (prefers-color-scheme: dark)" in content.html
    assert 'name="color-scheme"' in content.html
    assert "<link" not in content.html
    assert content.html.index("charset") < 200
    assert content.html.index("</title>") < content.html.index("<style>") < content.html.index("</head>")
    assert "@@" not in content.html
    paragraph = next(attrs for tag, attrs in page(content.html).tags if tag == "p")
    assert "margin: 0 0 16px" in paragraph["style"]
    draft = sample_draft("email")
    layout = replace(
        Email().layout(draft.message, draft.brand, "en"), form=Form.of("<p>@@body@@</p>", re.compile("@@(.*?)@@"))
    )
    assert Email().compose(draft, layout, sample_context()).html.startswith("<p><p")


def test_right_to_left_languages_are_laid_out_so() -> None:
    assert 'dir="rtl"' in composed(locale="he").html
    assert "Abmelden" in composed(locale="de-AT").html


def test_prepared_quoted_printable_says_the_same() -> None:
    import quopri

    content = composed(paragraphs=("Süße Stiefel 100 % = gut.  ", "x" * 200, "They are €39.00. ", ".", "..a"))
    decoded = quopri.decodestring(content.coded.encode()).decode().replace("\r\n", "\n")
    assert decoded == content.html
    assert max(len(line) for line in content.coded.split("\r\n")) <= 76


def test_hostile_values_stay_values() -> None:
    draft = hostile_draft("email")
    content = Email().compose(draft, None, sample_context())
    assert not any(tag in {"script", "iframe"} for tag, _ in page(content.html).tags)
    assert not any(name.startswith("on") for _, attrs in page(content.html).tags for name in attrs)


def test_local_pictures_are_read_once_and_travel(tmp_path) -> None:
    file = tmp_path / "boots.png"
    file.write_bytes(PNG)
    content = composed(media=(Media(str(file), "Boots"),))
    assert [(each.name, each.media_type, each.cid, each.data) for each in content.attachments] == [
        ("boots.png", "image/png", "picture0", PNG)
    ]
    assert 'src="cid:picture0"' in content.html
    preview = content.preview()
    assert b"cid:" not in preview.picture
    assert b"data:image/png;base64," in preview.picture


@pytest.mark.parametrize(
    ("name", "body", "what"),
    [("a.svg", b"x", "do not show"), ("no.png", None, "no file"), ("b.png", b"x" * 1_000_001, "bytes")],
)
def test_a_picture_that_cannot_travel_is_found_early(tmp_path, name, body, what) -> None:
    file = tmp_path / name
    if body is not None:
        file.write_bytes(body)
    with pytest.raises(MessageError, match=what):
        composed(media=(Media(str(file)),))


def test_the_author_attaches_files(tmp_path) -> None:
    file = tmp_path / "terms.pdf"
    file.write_bytes(b"%PDF")
    content = composed(data={"attachments": [str(file)]})
    assert content.attachments == (Attachment("terms.pdf", "application/pdf", b"%PDF"),)
    for wrong in (str(file), [7], [str(tmp_path / "no.pdf")]):
        with pytest.raises(MessageError, match=r"attachments|no file"):
            composed(data={"attachments": wrong})


def test_a_file_that_only_data_names_is_never_read(tmp_path) -> None:
    file = tmp_path / "secret.png"
    file.write_bytes(PNG)
    draft = sample_draft("email")
    layout = Email().layout(draft.message, draft.brand, "en")
    content = Email().compose(replace(draft, media=(Media(str(file)),)), layout, sample_context())
    assert content.attachments == ()
    assert [each.what for each in content.losses] == ["picture"]


def test_a_light_brand_colour_is_not_used_for_words() -> None:
    brand = Brand("Acme", theme=replace(Brand("x").theme, primary="#ffee00"))
    content = composed(brand=brand)
    assert "color: #ffee00" not in content.html
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


def test_a_wrong_colour_is_named() -> None:
    with pytest.raises(MessageError, match="`red` is no colour"):
        composed(brand=Brand("Acme", theme=replace(Brand("x").theme, background="red")))


def test_a_long_mail_tells_that_gmail_clips_it() -> None:
    content = composed(paragraphs=("word " * 25_000, "€39.00"))
    assert any("Gmail" in each.why for each in content.losses)


def test_the_subject_is_one_line_and_not_endless() -> None:
    content = composed(headline="a\r\nBcc: x@y " * 60)
    assert len(content.subject) <= 250
    assert not re.search(r"[\r\n]", content.subject)
    assert content.losses


def test_html_parses_as_the_standard_library_reads_it() -> None:
    mail = message_from_bytes(
        b"Content-Type: text/html; charset=utf-8\r\n\r\n" + composed().html.encode(), policy=policy.default
    )
    assert "ADA7-K2M9-3QXT" in mail.get_content()
