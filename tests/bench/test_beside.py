"""What runs beside us: servers that never outlive the bench, peers that are missing, mails that must be the same."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from email.message import EmailMessage
from pathlib import Path

import pytest

from omnibus.bench import guarded, letters, machine, wire
from omnibus.bench.mail import same
from omnibus.bench.peers import CELERY, TASKIQ, Peers
from omnibus.bench.rounds import Unbalanced, Unmeasured
from omnibus.bench.servers import Process, SinkProcess


async def test_the_sink_counts_distinct_ids(tmp_path: Path) -> None:
    sink = SinkProcess(tmp_path)
    await sink.start()
    try:
        post, close = wire.bare(sink.url, 2)
        for id_ in ("a", "b", "a"):
            await post(id_, "x")
        await close()
        assert await sink.count() == 2
        assert await wire.room(sink, 100) > 0
        assert await sink.count() == 102
    finally:
        await sink.stop()


async def test_the_mail_sink_counts_mails_and_ids(tmp_path: Path) -> None:
    sink = SinkProcess(tmp_path, "sink_smtp")
    await sink.start()
    try:
        assert await letters.counted(sink) == (0, 0)
        assert await letters.room(sink, 30) > 0
        assert await letters.counted(sink) == (30, 1)
    finally:
        await sink.stop()


def test_a_server_ends_when_whoever_started_it_is_gone(tmp_path: Path) -> None:
    """The pipe closes however the benchmark ends; a kill closes it, too."""
    child = "import os,time; print(os.getpid(), flush=True); time.sleep(60)"
    guard = subprocess.Popen(
        [sys.executable, str(Path(guarded.__file__)), sys.executable, "-c", child], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )  # fmt: skip
    assert guard.stdin is not None
    assert guard.stdout is not None
    assert int(guard.stdout.readline()) > 0
    guard.stdin.close()
    assert guard.stdout.read() == b""  # the child's end of the pipe is closed: it has ended
    assert guard.wait(20) != 0
    guard.stdout.close()


def test_a_process_that_somebody_else_started_ends_with_us_unless_it_has_ended() -> None:
    for words, ended in ((b"", True), (b"ended", False)):
        child = subprocess.Popen(
            [sys.executable, "-c", "import time; print(1, flush=True); time.sleep(60)"], stdout=subprocess.PIPE
        )
        assert child.stdout is not None
        child.stdout.readline()
        watch = [sys.executable, str(Path(guarded.__file__)), "--pid", str(child.pid)]
        subprocess.run(watch, input=words, check=True, timeout=20)
        if not ended:
            assert child.poll() is None
            child.terminate()
        assert child.wait(20) != 0
        child.stdout.close()


def test_a_run_that_is_told_to_end_leaves_nothing(tmp_path: Path) -> None:
    run = subprocess.Popen(
        [sys.executable, "-m", "omnibus", "bench", "--smoke", "--only", "http-client-1", "--only", "campaign-noop"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    assert run.stderr is not None
    while "campaign-noop" not in (line := run.stderr.readline()):
        assert line
    run.send_signal(signal.SIGTERM)
    run.stderr.read()  # until it has ended
    assert run.wait(60) == 1
    run.stderr.close()
    assert list(tmp_path.iterdir()) == []


async def test_a_server_that_dies_is_told_with_its_last_words(tmp_path: Path) -> None:
    server = Process([sys.executable, "-c", "raise SystemExit('no room')"], tmp_path / "server")
    with pytest.raises(RuntimeError, match="it ended at once: no room"):
        await server.listening(1)
    await server.stop()


@pytest.mark.parametrize("peer", [CELERY, TASKIQ])
def test_a_peer_that_is_not_here_says_why(peer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("omnibus.bench.peers.find_spec", lambda name: None)
    monkeypatch.setattr(machine, "lonely", lambda: False)
    assert peer.lacking.endswith("is not installed: pip install 'omnibus-bus[bench]'")
    rows = Peers(tmp_path, SinkProcess(tmp_path), 10).rows("x")
    assert [type(row) for row in rows] == [Unmeasured] * 6


def test_without_a_broker_there_is_no_peer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omnibus.bench.peers.find_spec", lambda name: True)
    monkeypatch.setattr(machine, "lonely", lambda: False)
    monkeypatch.setattr(machine, "find", lambda program: "")
    assert CELERY.lacking == "redis-server is not on this machine"


def test_on_one_core_there_is_no_peer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_all", [0])
    assert CELERY.lacking.startswith("one core only")


def mail(text: str, html: str = "<p>Hello</p>") -> bytes:
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = "a@b.example", "c@d.example", "Hello"
    made.set_content(text)
    made.add_alternative(html, subtype="html")
    return bytes(made)


def test_two_mails_are_the_same_when_they_read_the_same() -> None:
    same(mail("Grüße\n"), mail("Grüße\n"))
    with pytest.raises(Unbalanced, match=r"differ in plain$"):
        same(mail("Grüße\n"), mail("Gruesse\n"))
    with pytest.raises(Unbalanced, match=r"differ in html$"):
        same(mail("Hello"), mail("Hello", "<p>Bye</p>"))


async def test_programs_run_where_they_are_sent(tmp_path: Path) -> None:
    if len(machine.cores()) < 2:
        return
    with machine.elsewhere():
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", "import os; print(*sorted(os.sched_getaffinity(0)))", stdout=asyncio.subprocess.PIPE
        )
    out, _ = await process.communicate()
    assert list(map(int, out.split())) == machine._all[1:]
