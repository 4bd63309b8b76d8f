"""``journeys/*.yaml``: whole values, the way through the nodes, and every mistake letter by letter."""

from datetime import time, timedelta

import pytest

from omnibus.errors import JourneyError
from omnibus.model.journey import (
    Branch,
    Exit,
    Journey,
    Publish,
    SendStep,
    Trigger,
    Wait,
    WaitFor,
    fill,
    look_up,
)  # fmt: skip
from omnibus.writing import read_journey, read_journeys

WHOLE = """
name: rescue
version: 3
trigger:
  event: cart.updated
  where: [cart.open]
  source: "web*"
goal: order.placed
once: per key
key: cart.id
steps:
  - wait: 1h
  - send: one
    values: { order: "{{ event.id }}", n: 2 }
  - wait_for: message.clicked
    timeout: 20h
    then:
      - publish: two
        via: [twitter]
      - branch: cart.open
        then: [exit]
    else:
      - wait: { until: 9:30 }
  - branch: engagement.away
    else:
      - send: three
  - exit: done
"""


@pytest.fixture
def read(tmp_path):
    folder = tmp_path / "journeys"
    folder.mkdir()

    def read(text: str, name: str = "x.yaml", **known) -> Journey:
        (folder / name).write_text(text, "utf-8")
        return read_journey(folder / name, **known)

    return read


def test_a_whole_journey(read):
    assert read(WHOLE) == Journey(
        "rescue", "3", Trigger("cart.updated", ("cart.open",), "web*"), goal=("order.placed",), once="per key",
        key="cart.id", source="journeys/x.yaml",
        steps=(
            Wait(timedelta(hours=1)),
            SendStep("one", {"order": "{{ event.id }}", "n": 2}),
            WaitFor(
                "message.clicked", timedelta(hours=20),
                then=(Publish("two", ("twitter",)), Branch("cart.open", then=(Exit(),))), else_=(Wait(until=time(9, 30)),),
            ),
            Branch("engagement.away", else_=(SendStep("three"),)),
            Exit("done"),
        ),
    )  # fmt: skip


def test_the_way_through_the_nodes(read):
    journey = read(WHOLE)
    assert [node for node, _ in journey.nodes()] == [
        "0", "1", "2", "2.then.0", "2.then.1", "2.then.1.then.0", "2.else.0", "3", "3.else.0", "4",
    ]  # fmt: skip
    assert all(journey.step(node) is step for node, step in journey.nodes())
    after = {node: journey.after(node) for node, _ in journey.nodes()}
    assert after == {
        "0": "1", "1": "2", "2": "3", "2.then.0": "2.then.1", "2.then.1": "3", "2.then.1.then.0": "3", "2.else.0": "3",
        "3": "4", "3.else.0": "4", "4": None,
    }  # fmt: skip
    arms = {
        node: (journey.arm(node, taken=True), journey.arm(node, taken=False)) for node in ("2", "2.then.1", "3", "4")
    }
    assert arms == {
        "2": ("2.then.0", "2.else.0"), "2.then.1": ("2.then.1.then.0", "3"), "3": ("4", "3.else.0"), "4": (None, None),
    }  # fmt: skip
    assert journey.first == "0"


@pytest.mark.parametrize("node", ["5", "", "x", "0.then.0", "2.other.0", "2.then.7", "-1"])
def test_nodes_that_are_none(read, node):
    with pytest.raises(KeyError):
        read(WHOLE).step(node)


def test_the_version_is_a_hash_unless_it_is_said(read):
    one = read("trigger: a.b\nsteps: [exit]")
    assert (one.name, one.once, len(one.version)) == ("x", "per customer", 12)
    assert read("trigger: a.b\nsteps: [exit]\n").version != one.version


def test_entry_keys(read):
    names = {"cart": {"id": 77}}
    assert read(WHOLE).entry_key(names) == "77"
    assert read(WHOLE).entry_key({}) == ""
    assert read("trigger: a.b\nsteps: [exit]").entry_key(names) == "*"


def test_looking_up_and_filling():
    names = {"event": {"id": "A", "lines": [{"sku": 1}]}}
    assert look_up("event.lines.0.sku", names) == 1
    assert [look_up(path, names) for path in ("event.x.y", "event.lines.1", "event.lines.x", "event.id.x", "")] == [
        None
    ] * 5
    values = {"a": "{{ event.id }}", "b": "x {{ event.id }}", "c": 1, "d": "{{ no }}", "e": "{{event.lines}}"}
    assert fill(values, names) == {"a": "A", "b": "x {{ event.id }}", "c": 1, "d": None, "e": [{"sku": 1}]}


def test_a_folder(read, tmp_path):
    read("trigger: a.b\nsteps: [exit]", "b.yaml")
    read("name: first\ntrigger: a.b\nsteps: [exit]", "a.yml")
    assert list(read_journeys(tmp_path / "journeys")) == ["first", "b"]
    read("name: b\ntrigger: a.b\nsteps: [exit]", "c.yaml")
    with pytest.raises(JourneyError) as caught:
        read_journeys(tmp_path / "journeys")
    assert str(caught.value) == "journeys/c.yaml: there is a second journey `b`; journeys/b.yaml is the first"
    assert read_journeys(tmp_path / "none") == {}


def steps(text: str) -> str:
    return f"trigger: a.b\nsteps:\n{text}"


SAID = {
    "": "journeys/x.yaml:1: `trigger` is missing; add `trigger:`",
    "trigger: a.b": "journeys/x.yaml:1: `steps` is missing; add `steps:`",
    "triger: a.b": "journeys/x.yaml:1: unknown key `triger`; did you mean `trigger`?",
    "trigger: order\nsteps: [exit]": (
        "journeys/x.yaml:1: `trigger` needs an event type; write it as noun.past, e.g. order.placed"
    ),
    "trigger: order.plased\nsteps: [exit]": (
        "journeys/x.yaml:1: unknown event type `order.plased`; did you mean `order.placed`?"
    ),
    "trigger: 3\nsteps: [exit]": (
        "journeys/x.yaml:1: `trigger` must be an event or a table; trigger: { event: cart.updated }"
    ),
    "trigger: { where: cart.open }\nsteps: [exit]": (
        "journeys/x.yaml:1: `trigger` needs an event; add `event: cart.updated`"
    ),
    "trigger:\n  event: a.b\n  wher: c.d\nsteps: [exit]": (
        "journeys/x.yaml:3: unknown key `wher`; did you mean `where`?"
    ),
    "trigger:\n  event: a.b\n  where: [cart.opn]\nsteps: [exit]": (
        "journeys/x.yaml:3: unknown premise `cart.opn`; did you mean `cart.open`?"
    ),
    "trigger: a.b\nsteps: []": "journeys/x.yaml:2: there must be a list of steps; - send: some-message",
    "trigger: a.b\nonce: always\nsteps: [exit]": (
        "journeys/x.yaml:2: `once` must be `per customer` or `per key`"
    ),
    "trigger: a.b\nonce: per key\nsteps: [exit]": (
        "journeys/x.yaml:2: `once: per key` and `key` belong together; e.g. once: per key, key: cart.id"
    ),
    "trigger: a.b\nkey: cart.id\nsteps: [exit]": (
        "journeys/x.yaml:2: `once: per key` and `key` belong together; e.g. once: per key, key: cart.id"
    ),
    "trigger: a.b\ngoal: [order.placed, nonsense]\nsteps: [exit]": (
        "journeys/x.yaml:2: `goal` needs an event type; write it as noun.past, e.g. order.placed"
    ),
    steps("  - exit\n  - snd: x"): "journeys/x.yaml:4: unknown step `snd`; did you mean `send`?",
    steps("  - send: x\n    wait: 1h"): (
        "journeys/x.yaml:3: a step must be exactly one thing; known are send, publish, wait, wait_for, branch, exit"
    ),
    steps("  - 5"): (
        "journeys/x.yaml:3: a step must be exactly one thing; known are send, publish, wait, wait_for, branch, exit"
    ),
    steps("  - send: x\n    vlues: { a: 1 }"): "journeys/x.yaml:4: unknown key `vlues`; did you mean `values`?",
    steps("  - send:"): "journeys/x.yaml:3: `send` needs a message",
    steps("  - send: { message: x }"): (
        "journeys/x.yaml:3: `send` must be text; write its other keys beside it, not below it"
    ),
    steps("  - send: x\n    values: 1"): (
        'journeys/x.yaml:4: `values` must be a table; values: { order: "{{ event.id }}" }'
    ),
    steps("  - send: remindr"): "journeys/x.yaml:3: unknown message `remindr`; did you mean `reminder`?",
    steps("  - wait: 1 hour"): "journeys/x.yaml:3: `wait` must be a duration such as 3d, 90m or 1h30m",
    steps("  - wait: { until: 25:00 }"): (
        'journeys/x.yaml:3: `until` must be a time of day; wait: { until: "09:00" }'
    ),
    steps("  - wait_for: order.placed"): (
        "journeys/x.yaml:3: `wait_for` needs a timeout; add `timeout: 1d`, or it might wait for ever"
    ),
    steps("  - wait_for: order.placed\n    timeout: soon"): (
        "journeys/x.yaml:4: `timeout` must be a duration such as 3d, 90m or 1h30m"
    ),
    steps("  - branch: cart.open"): "journeys/x.yaml:3: `branch` needs `then` or `else`; add `then:` with steps below it",
    steps("  - branch: cart\n    then: [exit]"): (
        "journeys/x.yaml:3: `branch` needs a premise; write it as facet.word, e.g. cart.open"
    ),
    steps("  - branch: cart.open\n    then:\n      - exit\n      - snd: y"): (
        "journeys/x.yaml:6: unknown step `snd`; did you mean `send`?"
    ),
    steps("  - branch: cart.opn\n    then: [exit]"): (
        "journeys/x.yaml:3: unknown premise `cart.opn`; did you mean `cart.open`?"
    ),
    "a: [": "journeys/x.yaml:1: not readable as YAML: expected the node content, but found '<stream end>'",
}  # fmt: skip


@pytest.mark.parametrize("text", SAID)
def test_mistakes(read, text):
    with pytest.raises(JourneyError) as caught:
        read(text, messages=("reminder", "x"), premises=("cart.open",))
    assert str(caught.value) == SAID[text]
