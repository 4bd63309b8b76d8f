"""What is said quickly of most texts is what the rules say of all of them."""

import re

from hypothesis import given
from hypothesis import strategies as st

from omnibus_sms.fitting import _names
from omnibus_sms.segments import GSM7, encoding_of
from omnibus_sms.typography import cleaned

ODD = " \n\t\r\x0b\x85\u00a0\u2028\u202e\u2066\x00\x1b{}[]^\\~€-"
TEXTS = st.text(st.sampled_from(ODD) | st.sampled_from("abcXYZ.é✓") | st.characters(), max_size=30)
WORDS = st.text(st.sampled_from("acmeACME kKſs ./-"), max_size=12)


@given(TEXTS)
def test_one_clean_line_is_as_clean_as_several(text: str) -> None:
    assert cleaned(text) == cleaned(f"{text}\n"), "a line end goes the long way"


@given(TEXTS)
def test_one_foreign_character_moves_all_to_ucs2(text: str) -> None:
    assert encoding_of(text) == ("gsm7" if all(char in GSM7 for char in text) else "ucs2")


@given(WORDS, st.sampled_from(["Acme", "Kiosk", "acme sea", "Sé"]))
def test_a_name_is_found_however_it_is_written(words: str, name: str) -> None:
    text = f"{words} {name.swapcase() if len(words) % 2 else name[:-1]}{words}"
    plainly = re.search(rf"(?<!\w){re.escape(name)}(?!\w)", re.sub(r"\S+://\S+", " ", text), re.IGNORECASE)
    assert _names(text, name) is (plainly is not None)
