"""The entry itself: help as documentation, plugins' commands, and processes that end cleanly."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from omnibus.cli import main
from omnibus.cli.entry import COMMANDS

from .conftest import TOML, Shop

OMNIBUS = [sys.executable, "-m", "omnibus"]


def commands() -> Iterator[tuple[str, click.Command]]:
    for name, (target, _) in COMMANDS.items():
        module, _, attribute = target.partition(":")
        command = getattr(import_module(module), attribute)
        yield name, command
        if isinstance(command, click.Group):
            yield from ((f"{name} {sub}", each) for sub, each in command.commands.items())


def test_every_command_says_what_it_does_with_an_example():
    for name, command in commands():
        assert command.help, name
        assert re.search(rf"Example: omnibus (-c \S+ )?{name.split(' ')[0]}\b", command.help), name
        for each in command.params:
            assert not isinstance(each, click.Option) or each.help, (name, each.name)


def test_the_list_says_what_the_commands_say():
    for name, (target, sentence) in COMMANDS.items():
        module, _, attribute = target.partition(":")
        own = getattr(import_module(module), attribute).help
        assert own.replace("\n", " ").startswith(sentence.rstrip(".").partition(":")[0]), name


def test_help_needs_nothing_heavy():
    code = (
        "import sys; from omnibus.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'uvicorn', 'sqlalchemy', 'starlette', 'apsw', 'omnibus.bus'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/")
    assert done.stdout.splitlines()[-1] == "[]"
    assert "  serve " in done.stdout


def test_the_version():
    assert re.fullmatch(r"omnibus \d+\.\d+\.\d+\n", CliRunner().invoke(main, ["--version"]).stdout)


def test_a_plugin_brings_a_command(shop: Shop):
    (shop.folder / "hello.py").write_text(
        "import click\nfrom omnibus import hookimpl, InputError\n"
        "@click.command()\n@click.argument('name')\n@click.pass_obj\ndef hello(setup, name):\n"
        "    'Greet somebody.'\n    if name == 'nobody':\n        raise InputError('greet somebody', where='NAME')\n"
        "    click.echo(f'hello {name} from {setup.settings().omnibus.zone}')\n"
        "@hookimpl\ndef omnibus_register(register):\n    register(hello)\n"
    )
    shop.write(TOML.replace("[omnibus]", "[omnibus]\nplugins = ['./hello.py']"))
    assert shop.say("hello", "Ada") == "hello Ada from Europe/London\n"
    result = shop.run("hello", "nobody")
    assert (result.exit_code, result.stderr) == (2, "error: NAME: greet somebody\n")
    assert "Commands of plugins:\n  hello  Greet somebody." in shop.say("--help")


def test_the_config_may_be_a_folder_or_come_from_the_environment(shop: Shop, ada: str):
    result = CliRunner().invoke(main, ["-c", str(shop.folder), "customers", "list", "--json"])
    assert [each["id"] for each in json.loads(result.stdout)] == [ada]
    told = CliRunner().invoke(main, ["customers", "list", "--json"], env={"OMNIBUS_CONFIG": str(shop.folder)})
    assert told.stdout == result.stdout


def test_exit_codes_of_the_process(shop: Shop, ada: str):
    def run(*words: str) -> tuple[int, str, str]:
        done = subprocess.run([*OMNIBUS, *words], capture_output=True, text=True, check=False, cwd=shop.folder)
        return done.returncode, done.stdout, done.stderr

    assert run("customers", "show", "nobody") == (2, "", "error: no customer nobody; `omnibus customers` lists them\n")
    code, out, err = run("audit", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["ok"] is True
    (shop.folder / "omnibus.db").write_bytes(b"no database" * 500)
    assert run("audit")[0] == 3


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=lambda each: each.name)
def test_serve_answers_works_and_ends_cleanly(shop: Shop, ada: str, how: signal.Signals):
    (sent, *_) = [each for each in shop.json("send", "cart-reminder", ada) if each["via"] == ["web"]]
    process = subprocess.Popen(
        [*OMNIBUS, "serve", "--port", "0", "--work"], stderr=subprocess.PIPE, text=True, cwd=shop.folder
    )
    try:
        assert process.stderr is not None
        lines = []
        for line in process.stderr:
            lines.append(json.loads(line))
            if lines[-1]["event"] == "serving":
                break
        url = lines[-1]["url"]
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", url)
        with urllib.request.urlopen(f"{url}/health") as answer:
            assert answer.read() == b"ok"
        second = subprocess.run([*OMNIBUS, "work"], capture_output=True, text=True, check=False, cwd=shop.folder)
        assert second.returncode == 2
        assert f"process {process.pid} already works on this store" in second.stderr
        process.send_signal(how)
        rest = [json.loads(line) for line in process.stderr]
        assert process.wait() == 0
    finally:
        process.kill()
        process.wait()
        if process.stderr is not None:
            process.stderr.close()
    assert [each["event"] for each in rest] == ["stopped"]
    assert rest[0]["accepted"] == 3
    assert all(
        set(each) <= {"event", "level", "timestamp", "url", "pid", "accepted", "final", "waiting"} for each in rest
    )
    assert shop.json("why", sent["id"])["state"] == "sent"


def test_logs_tell_libraries_without_their_arguments(capsys: pytest.CaptureFixture[str]):
    import logging

    import structlog

    from omnibus.cli.logs import Ear, configure

    configure()
    try:
        try:
            raise ValueError("ada@example.com")
        except ValueError:
            logging.getLogger("lib").exception("no answer from %s", "ada@example.com")
        logging.getLogger("lib").info("GET %s", "https://example.com/?token=x")
        structlog.get_logger().info("started", pid=1, address="ada@example.com")
    finally:
        root = logging.getLogger()
        root.handlers = [each for each in root.handlers if not isinstance(each, Ear)]
        structlog.reset_defaults()
    first, second = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert first.pop("timestamp")
    assert first.pop("at").startswith(Path(__file__).name)
    assert first == {"event": "no answer from %s", "level": "error", "logger": "lib", "error": "ValueError"}
    assert (second["event"], second["pid"]) == ("started", 1)
    assert "address" not in second


def test_long_work_says_a_line_for_every_thousand(capsys: pytest.CaptureFixture[str]):
    from omnibus.cli.printing import counting

    with counting("customers rebuilt") as advance:
        for _ in range(25):
            advance(100)
    assert capsys.readouterr() == ("", "customers rebuilt: 1000\ncustomers rebuilt: 2000\n")


def test_colours_only_on_a_terminal_and_without_no_color(shop: Shop, ada: str):
    import os
    import pty

    def on_terminal(**extra: str) -> str:
        ours, theirs = pty.openpty()
        environ = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "120", **extra}
        subprocess.run([*OMNIBUS, "audit"], stdout=theirs, stderr=theirs, check=True, cwd=shop.folder, env=environ)
        os.close(theirs)
        told = b""
        while True:
            try:
                told += (more := os.read(ours, 65536))
            except OSError:  # Linux's way to say that nobody writes any more
                break
            if not more:
                break
        os.close(ours)
        return told.decode()

    assert "\x1b[1m" in on_terminal()
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", on_terminal(NO_COLOR="1"))
    assert "\x1b" not in shop.say("audit")
