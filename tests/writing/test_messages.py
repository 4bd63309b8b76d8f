"""``messages/*.md``: whole values, and every mistake letter by letter."""

import re
from datetime import timedelta

import pytest

from omnibus.errors import MessageError, NotFound
from omnibus.model.message import CallToAction, Media, Message, Purpose
from omnibus.writing import read_message, read_messages

REMINDER = """---
purpose: marketing
topic: cart
while: [cart.open, offer.unredeemed]     # premises
offer: comeback
via: [email, sms]
spread: one
expires: 3d
preheader: "{{ cart.total }}"
cta: { label: Finish your order, url: "{{ cart.url }}" }
image:
  url: "{{ cart.lines[0].image }}"
  alt: Your cart
facts: { price: "{{ cart.total }}" }
values: { greeting: Hello }
data: { card: sidebar }
---

# {{ customer.first_name }}, your cart

We kept it.

```
::: not a block
# not a headline
```

::: sms
Your cart: {{ cart.url }}

Bye
:::

## Below
"""


@pytest.fixture
def write(tmp_path):
    folder = tmp_path / "messages"
    folder.mkdir()

    def write(name: str, text: str):
        (folder / name).write_text(text, "utf-8")
        return folder / name

    return write


def test_a_whole_message(write):
    message = read_message(write("cart-reminder.md", REMINDER))
    assert re.fullmatch(r"[0-9a-f]{12}", message.version)
    assert message == Message(
        "cart-reminder", Purpose.MARKETING, "cart", message.version, headline="{{ customer.first_name }}, your cart",
        body="We kept it.\n\n```\n::: not a block\n# not a headline\n```\n\n\n\n\n\n\n\n## Below",
        blocks={"sms": "Your cart: {{ cart.url }}\n\nBye"}, cta=CallToAction("Finish your order", "{{ cart.url }}"),
        media=(Media("{{ cart.lines[0].image }}", "Your cart"),), offer="comeback",
        while_=("cart.open", "offer.unredeemed"), via=("email", "sms"), expires=timedelta(days=3),
        preheader="{{ cart.total }}", source="messages/cart-reminder.md",
        data={
            "card": "sidebar", "facts": {"price": "{{ cart.total }}"}, "values": {"greeting": "Hello"},
            "lines": {
                "preheader": 9, "cta.label": 10, "cta.url": 10, "image": 11, "facts.price": 14, "headline": 19,
                "body": 21, "::: sms": 29,
            },
        },
    )  # fmt: skip


def test_the_least_message(write):
    message = read_message(write("hello.md", "---\n---\nHello"))
    assert (message.purpose, message.headline, message.body, message.via) == (Purpose.MARKETING, "", "Hello", ())


def test_a_picture_beside_the_message_is_found(write, tmp_path):
    (tmp_path / "mug.png").write_bytes(b"x")
    message = read_message(write("a.md", "---\nimage: [../mug.png, https://x.example/y.png]\n---\nx"))
    assert message.media == (Media(str(tmp_path / "mug.png")), Media("https://x.example/y.png"))


def test_a_language_gives_words_only(write):
    write("cart-reminder.md", REMINDER)
    write(
        "cart-reminder.de.md",
        '---\ncta: { label: Weiter, url: "{{ cart.url }}" }\nvalues: { extra: 1 }\n---\n# Hallo\nText',
    )
    messages = read_messages(write("hello.md", "---\n---\nHi").parent)
    plain, german = messages.pick("cart-reminder"), messages.pick("cart-reminder", "de-AT")
    assert messages.names == ("cart-reminder", "hello")
    assert (german.headline, german.body, german.cta, german.blocks) == (
        "Hallo", "Text", CallToAction("Weiter", "{{ cart.url }}"), {},
    )  # fmt: skip
    rules = (
        "name",
        "purpose",
        "topic",
        "while_",
        "offer",
        "via",
        "spread",
        "audience",
        "expires",
        "media",
        "preheader",
    )
    assert {name: getattr(german, name) for name in rules} == {name: getattr(plain, name) for name in rules}
    assert german.data["values"] == {"greeting": "Hello", "extra": 1}
    assert german.version != plain.version
    assert messages.pick("cart-reminder", "fr") is plain
    for _ in range(2):  # picks are remembered, each for itself
        assert messages.pick("cart-reminder", "de-AT") is german
        assert messages.pick("cart-reminder") is messages.pick("cart-reminder", "fr") is plain
    with pytest.raises(NotFound) as caught:
        messages.pick("cart-remindr", "de")
    assert str(caught.value) == "there is no message `cart-remindr`; did you mean `cart-reminder`?"


def test_the_version_follows_every_file_it_comes_from(write):
    write("base.md", "---\ntopic: one\n---\nx")
    like = write("like.md", "---\nlike: base\n---\ny")
    before = read_message(like)
    write("base.md", "---\ntopic: two\n---\nx")
    after = read_message(like)
    assert (before.topic, after.topic) == ("one", "two")
    assert before.version != after.version


def test_like_takes_what_is_not_said(write):
    write(
        "launch.md",
        "---\npurpose: service\nvia: [email]\nvalues: { price: '24.00', a: 1 }\nfacts: { price: '{{ price }}' }\n---\n# A\nx",
    )
    post = read_message(
        write("post.md", "---\nlike: launch\naudience: public\nvia: [twitter]\nvalues: { a: 2 }\n---\n# B\ny")
    )
    assert (post.purpose, post.audience, post.via, post.headline) == (Purpose.SERVICE, "public", ("twitter",), "B")
    assert post.data["values"] == {"price": "24.00", "a": 2}
    assert post.data["facts"] == {"price": "{{ price }}"}


def test_a_folder_that_is_not_there_holds_none(tmp_path):
    assert read_messages(tmp_path / "none").names == ()


def front(text: str) -> str:
    return f"---\n{text}\n---\nHello"


KNOWN = {"channels": ("email", "sms"), "premises": ("cart.open",), "offers": ("comeback",)}

SAID = {
    "Hello": "messages/x.md:1: the front matter is missing; begin with ---, `purpose: …`, ---",
    "---\npurpose: service\n": "messages/x.md:1: the front matter does not end; close it with a line ---",
    front("pupose: x"): "messages/x.md:2: unknown key `pupose`; did you mean `purpose`?",
    front("topic: x\npurpose: markting"): (
        "messages/x.md:3: `purpose` must be one of transactional, service, marketing; did you mean `marketing`?"
    ),
    front("purpose: x"): "messages/x.md:2: `purpose` must be one of transactional, service, marketing",
    front("purpose: [x]"): "messages/x.md:2: `purpose` must be one of transactional, service, marketing",
    front("spread: some"): "messages/x.md:2: `spread` must be one of one, all",
    front("topic: 1"): "messages/x.md:2: `topic` must be text; put it in quotes",
    front("topic: x\nvia:\n  - email\n  - emial"): "messages/x.md:5: unknown channel `emial`; did you mean `email`?",
    front("via: { a: 1 }"): "messages/x.md:2: `via` must be a list of words; via: [one, two]",
    front("while: cart.opn"): "messages/x.md:2: unknown premise `cart.opn`; did you mean `cart.open`?",
    front("offer: comebak"): "messages/x.md:2: unknown offer `comebak`; did you mean `comeback`?",
    front("expires: 3"): "messages/x.md:2: `expires` must be a duration such as 3d, 90m or 1h30m",
    front("cta: { label: Go }"): (
        'messages/x.md:2: `cta` needs both label and url; cta: { label: "…", url: "…" }'
    ),
    front("cta: { label: Go, ulr: x }"): "messages/x.md:2: unknown key `ulr`; did you mean `url`?",
    front("cta: Go"): "messages/x.md:2: `cta` must be a table; write `key: value` lines below it",
    front("cta: { label: 1, url: x }"): "messages/x.md:2: `cta.label` must be text; put it in quotes",
    front("facts: { code: x }"): "messages/x.md:2: unknown key `code`; known are price",
    front("image: 3"): 'messages/x.md:2: `image` must be a path or URL; or { url: "…", alt: "…" }',
    front("image: no.png"): (
        "messages/x.md:2: the picture is not there; mend the path; it starts at the message's folder"
    ),
    front("data: { lines: 1 }"): "messages/x.md:2: `data` cannot hold `lines`; the name is taken",
    front("topic: x\nlike: nothing"): "messages/x.md:3: there is no message `nothing`",
    front("like: x"): "messages/x.md:2: `like` goes round in a circle",
    front("topic: a\ntopic: b"): "messages/x.md:3: not readable as YAML: found duplicate key `topic`",
    front("topic: a\ncta: {{ cart.url }}"): (
        'messages/x.md:3: not readable as YAML: found unhashable key; put values with {{ … }} in quotes: key: "{{ … }}"'
    ),
    front("topic: [a"): "messages/x.md:2: not readable as YAML: expected ',' or ']', but got '<stream end>'",
    front("- a"): "messages/x.md:2: must be a mapping of keys; write `key: value` lines",
    "---\n---\n": "messages/x.md:3: the message says nothing; write a `# headline` and a text below it",
    "---\n---\n# A\n# B": "messages/x.md:4: there is a second headline; use ## below the first",
    "---\n---\nHi\n::: sms\nx": "messages/x.md:4: `::: sms` is never closed; write ::: below it",
    "---\n---\nHi\n::: sms\nx\n:::\n::: sms\ny\n:::": "messages/x.md:7: there is a second block `::: sms`; join the two",
    "---\n---\nHi\n::: smss\nx\n:::": "messages/x.md:4: unknown channel `smss`; did you mean `sms`?",
    "---\n---\nHi\n{% if x %}": (
        "messages/x.md:4: the template cannot be read: Unexpected end of template. Jinja was looking for the following "
        "tags: `elif` or `else` or `endif`. The innermost block that needs to be closed is `if`"
    ),
    "---\n---\nHi\n\n{{ x | monney }}": "messages/x.md:5: unknown filter `monney`; did you mean `money`?",
    "---\n---\n{{ x | attr('y') }}": (
        "messages/x.md:3: unknown filter `attr`; known are abs, capitalize, count, d, date, default, first, float, int, "
        "join, last, length, list, lower, max, min, money, reject, rejectattr, replace, reverse, round, select, selectattr, "
        "sort, sum, title, trim, truncate, unique, upper, urlencode"
    ),
    "---\n---\n{{ x is emtpy }}": (
        "messages/x.md:3: unknown test `emtpy`; known are !=, <, <=, ==, >, >=, boolean, callable, defined, divisibleby, eq, "
        "equalto, escaped, even, false, filter, float, ge, greaterthan, gt, in, integer, iterable, le, lessthan, lower, lt, "
        "mapping, ne, none, number, odd, sameas, sequence, string, test, true, undefined, upper"
    ),
    "---\n---\nHi\n::: sms\nx\n{{ x() }}\n:::": (
        "messages/x.md:6: calls are not allowed in a message; values stand as {{ name }} or {{ name | filter }}"
    ),
    "---\n---\n{% include 'y' %}": (
        "messages/x.md:3: includes are not allowed in a message; values stand as {{ name }} or {{ name | filter }}"
    ),
    "---\n---\nHi\n`{{ offer.code }}`": "messages/x.md:4: a value cannot stand in code marks; use **{{ … }}**",
    front("topic: x\ncta: { label: '{{ x', url: y }"): (
        "messages/x.md:3: the template cannot be read: unexpected end of template, expected `end of print statement`"
    ),
}  # fmt: skip


@pytest.mark.parametrize("text", SAID)
def test_mistakes(write, text):
    with pytest.raises(MessageError) as caught:
        read_message(write("x.md", text), **KNOWN)
    assert str(caught.value) == SAID[text]


def test_a_language_has_no_rules(write):
    write("x.md", front("via: [email]"))
    with pytest.raises(MessageError) as caught:
        read_message(write("x.de.md", front("cta: { label: a, url: b }\nvia: [sms]")))
    assert str(caught.value) == (
        "messages/x.de.md:3: `via` is no matter of language; remove it here: messages/x.md says it for all languages"
    )


def test_a_language_needs_its_plain_file(write):
    with pytest.raises(MessageError) as caught:
        read_message(write("y.de.md", front("topic: a")))
    assert str(caught.value) == "messages/y.md: there is no y.md; write y.md first"


@pytest.mark.parametrize("name", ["Upper.md", "a b.md", "a.english.md", ".md"])
def test_file_names(write, name):
    with pytest.raises(MessageError) as caught:
        read_message(write(name, "---\n---\nx"))
    assert str(caught.value) == (
        f"messages/{name}: the file name is no message name; use a name such as cart-reminder.md or cart-reminder.de.md"
    )


def test_premises_may_be_asked_of_a_function(write):
    path = write("x.md", front("while: a.b"))
    assert read_message(path, premises=lambda name: name == "a.b").while_ == ("a.b",)
    with pytest.raises(MessageError, match=r"^messages/x.md:2: unknown premise `a.b`$"):
        read_message(path, premises=lambda name: False)


def test_what_is_not_utf8(write):
    path = write("x.md", "")
    path.write_bytes(b"---\n---\n\xff")
    with pytest.raises(MessageError, match=r"^messages/x.md: cannot be read \(UnicodeDecodeError\); save it as UTF-8$"):
        read_message(path)


def test_windows_line_ends_and_a_mark_at_the_beginning(write):
    path = write("x.md", "")
    path.write_bytes("\ufeff---\r\ntopic: x\r\n---\r\n# A\r\n\r\nb\r\n".encode())
    message = read_message(path)
    assert (message.headline, message.body) == ("A", "b")
