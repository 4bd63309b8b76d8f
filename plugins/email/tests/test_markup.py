import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from omnibus_email.markup import _quick, escape, paragraphs, to_html

FULL = MarkdownIt("commonmark", {"html": False})
PIECES = st.sampled_from([
    "Ada", " ", "\n", "\n\n", "**", "*", "_", "\\*", "\\_", "\\<", "<b>", "&", "& ", "&amp;", "[a](https://x.example/y?a=1&b=2)",
    "[b c](https://x.example/a\\_b)", "**bold words**", "**x**", "#", "# ", "- ", "1. ", "> ", "  ", "\t", "é", '"', "'", "!", "`", "~~~",
    "---", "===", "|", "a.", "\\", "]", "(", ")", "39.00 €", "\\", "[x]: http://y", "$", "%",
])  # fmt: skip


@given(st.lists(PIECES, max_size=14).map("".join))
def test_the_short_path_gives_what_markdown_it_gives(text) -> None:
    assert _normal(to_html(text, {})) == _normal(FULL.render(text.strip("\n")))


def _normal(html: str) -> str:
    return "\n".join(line.rstrip() for line in html.strip().split("\n"))


@pytest.mark.parametrize(
    "text",
    [
        "Hello \\*Ada\\*, **two words** wait: [see](https://a.example/x?y=1&z=2\\_3) & more.\nBye, 'x' \"y\"",
        "1984\\. Yes",
        "é **a é b**",
    ],
)
def test_common_paragraphs_take_the_short_path(text) -> None:
    assert _quick(text) is not None


def test_raw_html_and_scripts_stay_text() -> None:
    html = to_html("<script>x</script>\n\n[a](javascript:x) [b](data:text/html,x)", {})
    assert "<script>" not in html
    assert "href" not in html


def test_tags_get_their_styles() -> None:
    html = to_html("a\n\n- b\n\n[c](https://x.example)", {"p": "margin:0", "a": "color:red", "li": "x", "h2": "y"})
    assert '<p style="margin:0">' in html
    assert '<a style="color:red" href=' in html
    assert '<li style="x">' in html


def test_plain_text_becomes_paragraphs() -> None:
    assert paragraphs("a <b>\nc\n\nd", {"p": "m"}) == '<p style="m">a &lt;b&gt;<br>c</p>\n<p style="m">d</p>'
    assert escape('"&"') == "&quot;&amp;&quot;"
