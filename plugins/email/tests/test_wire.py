import asyncio
from datetime import UTC, datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from omnibus import TryLater, Unknown
from omnibus.testing import sample_attempt
from omnibus_email import EmailContent, Smtp, pool
from omnibus_email.exchange import MAX_LINE, MAX_LINES, Exchange, Lost
from omnibus_email.smtp import SmtpSettings
from omnibus_email.wire import Wire, dotted

MAIL = b"Subject: x\r\n\r\n" + b"x" * 70 + b"\r\n"
HELLO = b"250-x\r\n250 PIPELINING\r\n"
YES = b"250 ok\r\n250 ok\r\n354 go\r\n"


class Far(asyncio.Transport):
    """Be a transport that takes so many bytes at once."""

    def __init__(self, room: int = 1 << 30) -> None:
        super().__init__()
        self.room, self.left, self.waits = room, bytearray(), bytearray()
        self.aborted = False

    def set_write_buffer_limits(self, high=None, low=None) -> None:
        assert high == 0

    def write(self, data) -> None:
        self.left += data[: self.room]
        self.waits += data[self.room :]
        self.room = max(self.room - len(data), 0)
        if self.waits:
            self.far.pause_writing()

    def drain(self) -> None:
        self.left += self.waits
        self.waits.clear()
        self.far.resume_writing()

    def is_closing(self) -> bool:
        return self.aborted

    def abort(self) -> None:
        self.aborted = True


def receive(made: Exchange, data: bytes) -> None:
    while data:
        room = made.get_buffer(-1)
        taken = min(len(room), len(data))
        room[:taken] = data[:taken]
        made.buffer_updated(taken)
        data = data[taken:]


def connected(room: int = 1 << 30) -> tuple[Exchange, Far]:
    far = Far(room)
    far.far = made = Exchange()
    made.connection_made(far)
    return made, far


async def asked(made: Exchange, *given, **more) -> asyncio.Task:
    task = asyncio.ensure_future(made._ask(*given, **more))
    await asyncio.sleep(0)
    return task


REPLIES = st.lists(
    st.tuples(st.integers(100, 599), st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=9), min_size=1, max_size=4)),
    min_size=1, max_size=5,
)  # fmt: skip


@given(REPLIES, st.lists(st.integers(0, 200), max_size=6))
@settings(deadline=None)
def test_replies_are_read_however_they_are_cut(told, cuts) -> None:
    raw = b"".join(
        f"{code}{'-' if number < len(lines) - 1 else ' '}{each}\r\n".encode()
        for code, lines in told
        for number, each in enumerate(lines)
    )
    cuts = sorted({min(each, len(raw)) for each in cuts})

    async def read():
        made, _ = connected()
        task = await asked(made, b"x", len(told))
        for begin, end in zip([0, *cuts], [*cuts, len(raw)], strict=True):
            if end > begin:
                receive(made, raw[begin:end])
        return await task

    assert [(each.code, each.text) for each in asyncio.run(read())] == [
        (code, "\n".join(each.rstrip("\r") for each in lines)) for code, lines in told
    ]


@pytest.mark.parametrize(
    "rubbish",
    [b"hello\r\n", b"25\r\n", "²50 ok\r\n".encode(), b"250_ok\r\n", b"x" * (MAX_LINE + 1), b"250-more\r\n" * (MAX_LINES + 2)],
)  # fmt: skip
async def test_what_is_no_reply_is_a_loss(rubbish) -> None:
    made, _ = connected()
    task = await asked(made, b"NOOP\r\n")
    receive(made, rubbish)
    with pytest.raises(Lost):
        await task


async def test_the_body_leaves_when_all_agree_and_its_dot_with_it() -> None:
    made, far = connected()
    task = await asked(made, b"MAIL\r\nRCPT\r\nDATA\r\n", 3, b"mail\r\n.\r\n")
    receive(made, YES[:-2])
    assert (bytes(far.left), made.past_dot) == (b"MAIL\r\nRCPT\r\nDATA\r\n", False)
    receive(made, YES[-2:])
    assert (bytes(far.left), made.past_dot) == (b"MAIL\r\nRCPT\r\nDATA\r\nmail\r\n.\r\n", True)
    receive(made, b"250 queued\r\n")
    assert [each.code for each in await task] == [250, 250, 354, 250]


@pytest.mark.parametrize(
    "no", [b"550 no\r\n250 ok\r\n354 go\r\n", b"250 ok\r\n550 no\r\n354 go\r\n", b"250 ok\r\n250 ok\r\n554 no\r\n"]
)
async def test_nothing_leaves_that_one_reply_refused(no) -> None:
    made, far = connected()
    task = await asked(made, b"x", 3, b"mail\r\n.\r\n")
    receive(made, no)
    assert (bytes(far.left), made.past_dot) == (b"x", False)
    assert len(await task) == 3


@pytest.mark.parametrize("drained", [False, True])
async def test_a_dot_that_waits_in_our_buffer_has_not_left(drained) -> None:
    made, far = connected(room=5)
    task = await asked(made, b"x", 3, b"mail\r\n.\r\n")
    receive(made, YES)
    assert (bytes(far.left), made.past_dot) == (b"xmail", False)
    if drained:
        far.drain()
    made.connection_lost(None)
    with pytest.raises(Lost):
        await task
    assert made.past_dot is drained


async def test_under_tls_it_cannot_be_told_so_it_may_have_left() -> None:
    made, _ = connected(room=3)
    made._sealed = True
    task = await asked(made, b"x", 3, b"mail\r\n.\r\n")
    receive(made, YES)
    made.connection_lost(ConnectionResetError())
    with pytest.raises(Lost, match="ConnectionResetError"):
        await task
    assert made.past_dot


async def test_what_was_said_unasked_ends_the_connection() -> None:
    made, far = connected()
    receive(made, b"421 too long idle\r\n")
    assert made.lost
    with pytest.raises(Lost):
        await made._ask(b"MAIL\r\n")
    assert not far.left
    receive(made, b"x" * MAX_LINE)
    assert far.aborted


@given(st.lists(st.sampled_from([b".", b"..", b"a", b"\r\n", b"\r\n.", b"a."]), max_size=12).map(b"".join))
@example(b".")
@example(b".\r\n.\r\n")
def test_what_a_server_reads_is_what_was_meant(mail) -> None:
    body, end, rest = b"\r\n".join([b"", dotted(mail)]).partition(b"\r\n.\r\n")
    assert (end, rest) == (b"\r\n.\r\n", b"")
    read = b"\r\n".join(line.removeprefix(b".") for line in body.split(b"\r\n")[1:])
    assert read + b"\r\n" == (mail if mail.endswith(b"\r\n") else mail + b"\r\n")


class Loop:
    """Stand in for the loop's clock and timers."""

    def __init__(self, loop) -> None:
        self.create_future = loop.create_future
        self.now, self.timers = 0.0, []

    def time(self) -> float:
        return self.now

    def call_at(self, when, call):
        self.timers.append((when, call))
        return asyncio.TimerHandle(when, call, (), asyncio.get_running_loop())

    def advance(self, now) -> None:
        self.now = now
        due = [call for when, call in self.timers if when <= now]
        self.timers = [each for each in self.timers if each[0] > now]
        for each in due:
            each()


async def test_one_timer_serves_all_mails_of_a_connection() -> None:
    made, _ = connected()
    made._loop = clock = Loop(asyncio.get_running_loop())
    for number in range(3):
        clock.advance(number * 0.9)
        made._patience(clock.now + 1.0)
        task = await asked(made, b"x", 3, b"mail\r\n.\r\n")
        receive(made, YES + b"250 ok\r\n")
        await task
        assert len(clock.timers) == 1
    clock.advance(5.0)
    assert clock.timers == []  # it rests while nothing is asked
    made._patience(clock.now + 1.0)
    task = await asked(made, b"x", 3, b"mail\r\n.\r\n")
    clock.advance(5.9)
    assert not task.done()
    clock.advance(6.1)
    with pytest.raises(TimeoutError):
        await task


async def test_patience_ends_with_the_dot() -> None:
    made, _ = connected()
    made._loop = clock = Loop(asyncio.get_running_loop())
    made._patience(clock.now + 1.0)
    task = await asked(made, b"x", 3, b"mail\r\n.\r\n")
    receive(made, YES)
    clock.advance(2.0)
    assert not task.done()
    receive(made, b"250 ok\r\n")
    assert len(await task) == 4


@pytest.fixture
async def served(clock):
    """Start a server that is one coroutine; give a provider that submits to it."""
    made, gone = [], []

    async def start(serve, **told):
        async def session(reader, writer) -> None:
            try:
                await serve(reader, writer)
            finally:
                writer.close()
                gone.append(True)

        server = await asyncio.start_server(session, "127.0.0.1", 0, limit=1 << 24)
        port = server.sockets[0].getsockname()[1]
        settings = {"host": "127.0.0.1", "port": port, "from": "a@b.example", "starttls": "never", **told}
        smtp = Smtp(SmtpSettings.model_validate(settings), now=lambda: datetime(2026, 11, 21, tzinfo=UTC))
        made.append((server, smtp))
        return smtp

    yield start
    for server, smtp in made:
        server.close()
        await smtp.aclose()
        await server.wait_closed()


async def test_a_server_that_hangs_up_within_a_long_body_has_taken_nothing(served) -> None:
    async def serve(reader, writer) -> None:
        writer.write(b"220 x\r\n")
        await reader.readline()
        writer.write(HELLO)
        for _ in range(3):
            await reader.readline()
        writer.write(YES)
        await reader.readexactly(1000)
        writer.transport.abort()

    smtp = await served(serve)
    with pytest.raises(TryLater, match="not_connected"):
        await smtp.hand_over(MAIL + b"y" * 40_000_000, "ada@example.com", sample_attempt())
    assert smtp._pool.idle == []


async def test_a_server_that_hangs_up_after_the_dot_may_have_taken_it(served) -> None:
    async def serve(reader, writer) -> None:
        writer.write(b"220 x\r\n")
        await reader.readline()
        writer.write(HELLO)
        for _ in range(3):
            await reader.readline()
        writer.write(YES)
        await reader.readuntil(b"\r\n.\r\n")

    smtp = await served(serve)
    with pytest.raises(Unknown, match="lost_after_dot"):
        await smtp.hand_over(MAIL, "ada@example.com", sample_attempt())


async def test_a_goodbye_while_idle_makes_room_for_a_new_connection(served) -> None:
    sessions, said = [], asyncio.Event()

    async def serve(reader, writer) -> None:
        sessions.append(writer)
        writer.write(b"220 x\r\n")
        await reader.readline()
        writer.write(HELLO)
        for _ in range(3):
            await reader.readline()
        writer.write(YES)
        await reader.readuntil(b"\r\n.\r\n")
        writer.write(b"250 ok\r\n")
        if len(sessions) == 1:
            await said.wait()
            writer.write(b"421 4.4.2 idle for too long\r\n")

    smtp = await served(serve)
    await smtp.hand_over(MAIL, "ada@example.com", sample_attempt(1))
    (wire,) = smtp._pool.idle
    said.set()
    await wire._gone
    await smtp.hand_over(MAIL, "ada@example.com", sample_attempt(2))
    assert len(sessions) == 2


async def test_waiting_connecting_and_talking_share_one_patience(served, monkeypatch) -> None:
    told = []

    class Slow(Wire):
        @classmethod
        async def open(cls, peer):
            told.append(asyncio.get_running_loop().time())
            return await super().open(peer)

        def _patience(self, until) -> None:
            told.append(until)
            super()._patience(until)

    monkeypatch.setattr(pool, "Wire", Slow)

    async def serve(reader, writer) -> None:
        writer.write(b"220 x\r\n")
        await reader.readline()
        writer.write(HELLO)
        for _ in range(3):
            await reader.readline()
        writer.write(YES)
        await reader.readuntil(b"\r\n.\r\n")
        writer.write(b"250 ok\r\n")

    smtp, loop = await served(serve), asyncio.get_running_loop()
    begun = loop.time()
    await smtp._pool.hand_over(smtp._peer, MAIL, lambda _: ("MAIL FROM:<a@b>", "RCPT TO:<c@d>"), begun + 30.0)
    connecting, until = told
    assert until == begun + 30.0 <= connecting + 30.0, "what waiting and connecting took is not given back"


async def test_a_mail_whose_time_is_up_before_it_leaves_can_be_tried_again(served, keep, monkeypatch) -> None:
    async def serve(reader, writer) -> None:
        writer.write(b"220 x\r\n")

    smtp = await served(serve)
    begun = smtp._until
    monkeypatch.setattr(smtp, "_until", lambda attempt: begun(attempt) - attempt.deadline)  # as if writing it took long
    content = EmailContent(text="x", subject="x", html="x")
    with pytest.raises(TryLater, match="timeout_before_dot"):
        await smtp.send(content, "ada@example.com", sample_attempt(), keep)
