"""A skeleton that was cut once says, with any values, what it says when the values are put in and read each time."""

import re

from hypothesis import example, given
from hypothesis import strategies as st

from omnibus.model.draft import Element
from omnibus.writing.prose import line, pieces, settle_links
from omnibus.writing.shapes import headline, shape
from omnibus.writing.values import clean, escaped, no_link

SLOTS = [f"\ue000{number}\ue001" for number in range(3)]
TARGETS = ["https://acme.example/{}", "{}", "{}/x", "javascript:{}", "HTTPS://a.example?{}", "mailto:{}", "/{}"]
BITS = st.one_of(
    st.sampled_from(SLOTS),
    st.sampled_from(["Hi ", "*now*", "\n\n", "\n", "- ", "1. ", "> ", "## ", "   ", "100%s %", "\\", "`code`", "\u00a0"]),
    st.builds(
        lambda label, target, slot: f"[{label}]({target.format(slot)})",
        st.sampled_from(["", "here", *SLOTS]), st.sampled_from(TARGETS), st.sampled_from(["", "a.html", *SLOTS]),
    ),
)  # fmt: skip
SKELETONS = st.lists(BITS, max_size=8).map("".join)
VALUES = st.tuples(
    *[st.one_of(st.sampled_from(["https://acme.example/?a=1", "x:y", "a_b", "Ada L.", "%s"]), st.text(min_size=1, max_size=5))]
    * 3
).map(lambda told: tuple(clean(each) or "x" for each in told))  # fmt: skip


def put(text: str, values: tuple[str, ...]) -> str:
    return re.sub("\ue000(\\d+)\ue001", lambda found: values[int(found[1])], text)


@given(SKELETONS, VALUES)
@example(f"[]({SLOTS[0]})\n\nb", ("nowhere", "", ""))
@example(f"[a](https://acme.example/{SLOTS[0]}) [b]({SLOTS[1]})", ("x", "javascript:y", ""))
def test_a_body(skeleton, values):
    texts = [settle_links(put(each, values)) for each in pieces(skeleton)]
    read = shape(skeleton)
    assert read.elements(values) == [
        Element("paragraph", text, rank) for rank, text in enumerate((each for each in texts if each.strip()), start=2)
    ]
    assert re.sub(r"&#(\d+);", lambda found: chr(int(found[1])), read.marked(values)) == (
        put(skeleton, tuple(map(escaped, values))).strip()
    )
    assert read.skeleton == skeleton.strip()


@given(SKELETONS, VALUES)
def test_a_headline(skeleton, values):
    assert headline(skeleton).filled(values) == settle_links(put(line(skeleton), values))


@given(
    st.one_of(
        st.text(),
        st.from_regex(r"[\w ]*", fullmatch=True),
        st.sampled_from(["a_b", "a b_", "a.bc", "a@b", "x://y", "٣.٤٥", "a｡bc"]),
    )
)
def test_what_is_only_words_is_written_as_ever(text):
    assert escaped(text) == re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", text)
    assert no_link(text) == re.sub(
        r"(?<=\w)[.。．｡](?=\w{2,})", ". ", clean(text).replace("://", " ").replace("@", " ")
    )
