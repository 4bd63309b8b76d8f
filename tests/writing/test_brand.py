"""``brand.toml``."""

import pytest

from omnibus.errors import MessageError
from omnibus.model.brand import Brand, Theme, Voice
from omnibus.writing.brand import contrast, read_brand


@pytest.fixture
def read(tmp_path):
    def read(text: str) -> Brand:
        (tmp_path / "brand.toml").write_text(text, "utf-8")
        return read_brand(tmp_path / "brand.toml")

    return read


def test_a_whole_brand(read, tmp_path):
    (tmp_path / "logo.png").write_bytes(b"x")
    assert read("""
name = "Acme"
url = "https://acme.example"
locale = "en-GB"
zone = "Europe/London"
legal = ["Acme Ltd"]
[voice]
sign_off = "Yours, Acme"
avoid = ["cheap"]
max_exclamations = 0
emoji = false
[theme]
primary = "#0b5d4e"
logo_path = "logo.png"
radius = 2
[senders]
email = "a@acme.example"
[handles]
twitter = "acme"
""") == Brand(
        "Acme", url="https://acme.example", theme=Theme(primary="#0b5d4e", logo_path=str(tmp_path / "logo.png"), radius=2),
        voice=Voice("Yours, Acme", ("cheap",), 0, emoji=False), legal=("Acme Ltd",), senders={"email": "a@acme.example"},
        handles={"twitter": "acme"}, locale="en-GB", zone="Europe/London",
    )  # fmt: skip


def test_a_name_is_enough(read):
    assert read('name = "Acme"') == Brand("Acme")


SAID = {
    "": 'brand.toml: `name` is missing; add `name = "…"`',
    'name = ""': "brand.toml: `name` must not be empty",
    'nam = "Acme"\nname = "x"': "brand.toml: unknown key `nam`; did you mean `name`?",
    'name = "x"\n[voice]\nsignoff = "y"': "brand.toml [voice]: unknown key `signoff`; did you mean `sign_off`?",
    'name = "x"\n[theme]\nprimry = "y"': "brand.toml [theme]: unknown key `primry`; did you mean `primary`?",
    'name = "x"\n[theme]\nprimary = "green"': "brand.toml [theme]: `primary` must be a colour such as #1f3a5f",
    'name = "x"\nzone = "Mars"': "brand.toml: `zone` must be a time zone such as Europe/London",
    'name = "x"\nlocale = "English"': "brand.toml: `locale` must be a language tag such as en-GB",
    'name = "x"\n[theme]\ntext = "#777777"\nbackground = "#ffffff"': (
        "brand.toml [theme]: `text` on `background` has a contrast of 4.47, below 4.5; make one of them darker or lighter"
    ),
    'name = "x"\n[theme]\nprimary = "#ffcc00"': (
        "brand.toml [theme]: `on_primary` on `primary` has a contrast of 1.51, below 4.5; make one of them darker or lighter"
    ),
    'name = "x"\n[theme]\nlogo_path = "no.png"': (
        "brand.toml [theme]: the file in `logo_path` is not there; mend the path"
    ),
    'name = "x"\nurl = 1\nlegal = "y"': "brand.toml: `url` must be text\nbrand.toml: `legal` must be a list",
    "name": "brand.toml: not readable as TOML: Expected '=' after a key in a key/value pair (at end of document)",
}  # fmt: skip


@pytest.mark.parametrize("text", SAID)
def test_mistakes(read, text):
    with pytest.raises(MessageError) as caught:
        read(text)
    assert str(caught.value) == SAID[text]


def test_no_file(tmp_path):
    with pytest.raises(MessageError, match=r"^there is no brand.toml; `omnibus init` makes one$"):
        read_brand(tmp_path / "brand.toml")


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [
        ("#000000", "#ffffff", 21.0),  # the ends, and three published examples
        ("#ffffff", "#ffffff", 1.0),
        ("#777777", "#ffffff", 4.48),
        ("#767676", "#ffffff", 4.54),
        ("#0000ff", "#ffffff", 8.59),
    ],
)
def test_contrast(one, other, ratio):
    assert round(contrast(one, other), 2) == ratio == round(contrast(other, one), 2)
