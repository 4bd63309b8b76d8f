"""The quick way of rendering says what Jinja says, letter by letter, and leaves all mistakes to it."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omnibus.writing.sandbox import LIMIT, TemplateMistake
from omnibus.writing.templates import Templates

QUICK = [
    "{{ a }}",
    "Hello {{ a.b }}, your {{ a.c[0].d }} costs {{ a.e | money(a.f) }}!\n",
    '{{ a.b | default("you") }}{{ a["c"] | default("nobody", true) }}{{ g | default }}{{ a.c[1] | default("none") }}',
    "{{ a.b | upper | trim }} {{ a.c[0].d | title }} {{ a.e | round }}",
    "{{ g | date }} {{ g | date('time') }} {{ 5 }} {{ 'x' }} {{ g | length }}",
    "{{ a.items }} {{ a.keys }} {{ g.upper }} {{ a.c.first }} {{ a.e }}\n\n{{ a.c[0] }}",
    '{{ a.b | default("you") }}',
    '{{ a["c"] | default("nobody", true) }}',
    "{{ g | default('g', a.b) }}",
    "{{ a.c[-1] }} {{ a.c[-3] }}",
    "- {{ a.b }}\n- {{ a.b }}{{ g }}\n",
]
SLOW = [
    "{% for each in a.c %}{{ each }}{% endfor %}",
    "{% if g %}{{ g }}{% endif %}",
    "{% set h = g %}{{ h }}",
    "{{ a.b ~ g }}",
    "{{ a.e * 2 }}",
    "{{ a.c | join(', ') }}",
    "{{ a.b | replace('A', g) }}",
    "{{ g | truncate(length=5) }}",
    "{{ a.b | upper | default('x') }}",
    "{{ self.x }}",
]
CLOSED = ["{{ g.x }}", "{{ g[0] }}", "{{ g.x | default('') }}"]
VALUES = st.one_of(
    st.text(max_size=6), st.none(), st.booleans(), st.integers(-5, 99), st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["", " ", "Ada\n Lovelace", "\u202eevil", "\ue0000\ue001", "2026-11-22", "2026-11-22T10:00:00Z", "24.00", "GBP"]),
)  # fmt: skip
TABLES = st.dictionaries(
    st.sampled_from("bcdef"), VALUES | st.lists(VALUES | st.dictionaries(st.just("d"), VALUES), max_size=2)
)
NAMES = st.fixed_dictionaries({}, optional={"a": TABLES | VALUES, "g": VALUES | TABLES})


def said(templates: Templates, source: str, told: dict[str, Any], form: Any) -> tuple[Any, ...]:
    templates.wants(source)  # it is known from then on
    try:
        return tuple(templates.render(source, told, form))
    except TemplateMistake as mistake:
        return "mistake", mistake.what, mistake.fix, mistake.line


def jinja() -> Templates:
    """Make templates that know the long way only."""
    slow = Templates()
    for source in (*QUICK, *CLOSED):
        slow.wants(source)
        made = slow._compiled[source]
        slow._compiled[source] = type(made)(made.template, made.wants, made.fixed, None)
    return slow


FAST, LONG = Templates(), jinja()


@pytest.mark.parametrize("source", QUICK)
@pytest.mark.parametrize("form", ["plain", "skeleton"])
@settings(max_examples=150, deadline=None)
@given(told=NAMES)
def test_both_ways_say_the_same(source: str, form: str, told: dict[str, Any]) -> None:
    told = {**told, "locale": "en-GB", "zone": "Europe/London"}
    assert said(FAST, source, told, form) == said(LONG, source, told, form)


def test_what_is_said_when_nothing_is_missing() -> None:
    told = {
        "a": {"b": "Ada", "c": [{"d": "mug"}], "e": "24.00", "f": "GBP"},
        "g": "x",
        "locale": "en-GB",
        "zone": "UTC",
    }
    found = said(FAST, QUICK[1], told, "skeleton")
    assert found[0] == "Hello \ue0000\ue001, your \ue0001\ue001 costs \ue0002\ue001!"
    assert found[1] == ("Ada", "mug", "£24.00")
    told["a"]["b"] = ""  # type: ignore[index]
    assert said(FAST, QUICK[1], told, "skeleton")[0] == "Hello , your \ue0000\ue001 costs \ue0001\ue001!"


@pytest.mark.parametrize("source", QUICK)
def test_texts_that_only_name_values_go_the_quick_way(source: str) -> None:
    FAST.wants(source)
    assert FAST._compiled[source].direct is not None


@pytest.mark.parametrize("source", SLOW)
def test_all_others_are_left_to_jinja(source: str) -> None:
    FAST.wants(source)
    assert FAST._compiled[source].direct is None


class Opens:
    def __getitem__(self, key: Any) -> str:
        return "a secret"


@pytest.mark.parametrize("source", CLOSED)
def test_objects_stay_closed(source: str) -> None:
    told = {"g": Opens()}
    assert said(FAST, source, told, "plain") == said(LONG, source, told, "plain") != ("a secret", ())


def test_a_filter_of_a_plugin_is_asked_as_jinja_asks_it() -> None:
    own = Templates({"default": lambda value, *rest: f"<{value}>", "loud": lambda value: f"{value}!"})
    assert said(own, "{{ g | default('x') | loud }}", {"g": "a"}, "plain") == ("<a>!", ())


@pytest.mark.parametrize("form", ["plain", "skeleton"])
def test_a_text_stays_bounded(form: Any) -> None:
    FAST.wants("{{ a }}{{ g }}")
    with pytest.raises(TemplateMistake, match="longer than"):
        FAST.render("{{ a }}{{ g }}", {"a": "x" * (LIMIT - 2), "g": "abc"}, form)
