from __future__ import annotations

import pytest

from omnibus import InputError
from omnibus_sms.keywords import OPT_OUT_LINES, OPT_OUT_LINKS, meaning, opt_out_line
from omnibus_sms.phones import by_country, normal, region_of, zones_of
from omnibus_sms.segments import encoding_of
from omnibus_sms.typography import cleaned, transliterated


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        *[(word, "stop") for word in ("STOP", "stopall", "Unsubscribe", "CANCEL", "end", "QUIT", "optout", "revoke")],
        *[
            (word, "stop")
            for word in (" Stop. ", "OPT OUT", "opt-out!", "“STOP”", "ARRET", "arrêt", "Arre\u0302t", "Abmelden")
        ],
        *[(word, "start") for word in ("START", "unstop", "Start!")],
        *[(word, "help") for word in ("HELP", "info", "Hilfe", "Help?")],
        *[(word, None) for word in ("stop by the shop", "don't stop", "YES", "", "🙂", "???", "Stop it", "the end")],
    ],
)
def test_only_a_whole_message_is_a_keyword(text, meant):
    assert meaning(text) == meant


def test_further_words_by_setting_and_withdrawing_wins():
    assert meaning("Yes", start=["YES"]) == "start"
    assert meaning("nope", stop=["NOPE"], start=["NOPE"]) == "stop"
    assert meaning("start", stop=["START"]) == "stop"


def test_every_line_stays_in_gsm7():
    for lines in (OPT_OUT_LINES, OPT_OUT_LINKS):
        assert all(encoding_of(line) == "gsm7" for line in lines.values())
    assert opt_out_line("xx", word="STOP") == "Reply STOP to opt out"


@pytest.mark.parametrize(
    ("told", "region", "number"),
    [
        ("+1 555 867 5310", "", "+15558675310"),  # possible, not valid
        ("+447700900123", "", "+447700900123"),  # possible, not valid
        ("020 7946 0000", "gb", "+442079460000"),  # valid, a fixed line
        ("+1 (415) 555-0123", "DE", "+14155550123"),
        ("00 49 30 123456", "DE", "+4930123456"),
    ],
)
def test_numbers_become_e164_when_possible(told, region, number):
    assert normal(told, region) == number


@pytest.mark.parametrize("told", ["", "Ada", "12345", "+12", "+44 1", "+447700900123456789", "020 7946 0000"])
def test_what_is_no_number_is_an_error_without_quoting_it(told):
    with pytest.raises(InputError) as error:
        normal(told)
    assert not told or told not in str(error.value).replace("+442079460000", "")


def test_where_a_number_lives():
    assert [region_of(number) for number in ("+447700900123", "+15558675310", "+999123", "nonsense")] == [
        "GB",
        "US",
        "",
        "",
    ]
    assert zones_of("+442079460000") == ("Europe/London",)
    assert zones_of("+15558675310") == zones_of("nonsense") == ()


def test_the_longest_prefix_wins_then_country_then_star():
    table = {"+4477": "a", "+44": "b", "GB": "c", "US": "d", "*": "e"}
    numbers = ("+447700900123", "+442079460000", "+14155550123", "+4930123456")
    assert [by_country(table, number) for number in numbers] == ["a", "b", "d", "e"]
    assert by_country({"GB": "c"}, "+4930123456") is None


def test_control_characters_do_not_travel():
    assert cleaned("a\r\nb\tc \x00\x1b[31m\u202e\x85\u2028d  e\n\n\n\nf ") == "a\nb c [31m\n\nd e\n\nf"


@pytest.mark.parametrize(
    ("text", "mode", "spelt", "changed"),
    [
        ("it’s – “so”…", "typography", 'it\'s - "so"...', 5),
        ("39,00\u00a0€", "typography", "39,00 €", 1),
        ("garçon – œuvre", "typography", "garçon – œuvre", 0),  # letters stay, so it would be UCS-2 all the same
        ("garçon – œuvre", "letters", "garcon - oeuvre", 3),
        ("it’s 🙂", "letters", "it’s 🙂", 0),
        ("it’s", "off", "it’s", 0),
        ("plain é", "letters", "plain é", 0),
    ],
)
def test_transliteration(text, mode, spelt, changed):
    assert transliterated(text, (), mode) == (spelt, changed)


def test_transliteration_keeps_facts():
    assert transliterated("it’s code A–B", ["A–B"], "typography") == ("it’s code A–B", 0)
    assert transliterated("it’s code AB", ["AB"], "typography") == ("it's code AB", 1)
