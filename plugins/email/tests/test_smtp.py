import asyncio
import ssl
from datetime import timedelta
from email import message_from_bytes, policy

import pytest

from omnibus import Forged, InputError, Receipt, Refused, Request, TryLater, Unknown, Unreachable
from omnibus.provider import read_dsn
from omnibus.testing import FakeClock, sample_attempt, sample_context, sample_draft
from omnibus_email import Email, Smtp, Smtps
from omnibus_email.sandbox import HOOK_SECRET, PASSWORD, SmtpSandbox
from omnibus_email.smtp import SmtpSettings, xtext


def content(**changes):
    return Email().compose(sample_draft("email", **changes), None, sample_context())


def provider(table, clock, kind=Smtp, **changes):
    told = {**table, **changes}
    scheme, fields = read_dsn(told.pop("provider"))
    assert scheme == "smtp"
    return kind(
        SmtpSettings.model_validate({**fields, **told}), now=clock.now, hook_url="https://t.example/hooks/email/smtp"
    )


@pytest.fixture
async def table(world):
    return (await world.start(SmtpSandbox))["email"]


@pytest.fixture
async def smtp(table, clock):
    made = provider(table, clock)
    yield made
    await made.aclose()


async def test_a_mail_arrives_whole(world, smtp, keep) -> None:
    attempt = sample_attempt()
    receipt = await smtp.send(content(), "ada@example.com", attempt, keep)
    name = f"om.{attempt.delivery}@acme.example"
    assert receipt == Receipt(name, {"message_id": name, "answer": "250"})
    (entry,) = world.of("email")
    assert (entry.to, entry.attempt, entry.refused) == ("ada@example.com", attempt.id, "")
    raw = world.sandbox("email").raw(entry)
    mail = message_from_bytes(raw, policy=policy.default)
    assert {key: value for key, value in mail.items() if key != "Content-Type"} == {
        "Date": "Sat, 21 Nov 2026 12:00:00 +0000",
        "From": "Acme <hello@acme.example>",
        "To": "ada@example.com",
        "Message-ID": f"<{name}>",
        "Subject": "Ada, your Trail Boots are waiting",
        "In-Reply-To": "<thread.628b49d96dcde97a430dd4f597705899@acme.example>",
        "References": "<thread.628b49d96dcde97a430dd4f597705899@acme.example>",
        "Auto-Submitted": "auto-generated",
        "List-Unsubscribe": "<https://talk.example.com/u/t0k3n>, <mailto:stop@acme.example>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "MIME-Version": "1.0",
    }
    assert mail.get_body(("plain",)).get_content().replace("\r\n", "\n") == content().text == entry.text
    assert mail.get_body(("html",)).get_content().replace("\r\n", "\n") == content().html
    page = (world.folder / "email" / entry.data["html"]).read_text()
    assert "ADA7-K2M9-3QXT" in page


async def test_one_connection_serves_many_and_dots_survive(world, smtp, keep) -> None:
    for number in range(1, 6):
        text = (".", "..two", "They are €39.00")
        await smtp.send(content(paragraphs=text), "ada@example.com", sample_attempt(number), keep)
    assert len(smtp._pool.idle) == 1
    assert smtp._pool.idle[0].mails == 5
    mail = message_from_bytes(world.sandbox("email").raw(world.of("email")[-1]), policy=policy.default)
    assert "\n\n.\n\n..two\n\n" in mail.get_body(("plain",)).get_content().replace("\r\n", "\n")


async def test_connections_are_shared_and_bounded(world, table, clock, keep) -> None:
    smtp = provider(table, clock, connections=3)
    await asyncio.gather(*(smtp.send(content(), "ada@example.com", sample_attempt(n), keep) for n in range(1, 13)))
    assert len(world.of("email")) == 12
    assert len({each.id for each in world.of("email")}) == 12
    assert 1 <= len(smtp._pool.idle) <= 3
    await smtp.aclose()
    await smtp.aclose()
    assert smtp._pool.idle == []
    with pytest.raises(TryLater, match="closed"):
        await smtp.send(content(), "ada@example.com", sample_attempt(20), keep)


@pytest.mark.parametrize(
    ("to", "error", "reason"),
    [
        ("nobody@example.com", Unreachable, "5.1.1"),
        ("full@example.com", TryLater, "4.2.2"),
        ("later@example.com", TryLater, "4.7.1"),
        ("not an address", Unreachable, "bad_address"),
    ],
)
async def test_refusals_are_told_apart(world, smtp, keep, to, error, reason) -> None:
    with pytest.raises(error, match=f"^{reason}$") as caught:
        await smtp.send(content(), to, sample_attempt(), keep)
    assert not caught.value.account  # none of these is a reason to let everybody wait
    assert world.of("email") == []
    await smtp.send(content(), "ada@example.com", sample_attempt(2), keep)  # the connection is still good
    assert len(world.of("email")) == 1


@pytest.mark.parametrize(
    ("said", "reason", "again"),
    [
        ("450 4.2.0 Greylisted, see http://postgrey.schweikert.ch/help", "4.2.0", 300.0),
        ("451 4.7.1 Greylisting in action, please come back later", "4.7.1", 300.0),
        ("450 you are being grey-listed", "450", 300.0),
        ("452 4.2.2 Mailbox full", "4.2.2", 3600.0),
        ("552 5.2.2 over quota", "5.2.2", 3600.0),
        ("450 4.2.1 try again", "4.2.1", None),
    ],
)
async def test_one_mailbox_that_waits_holds_nobody_else_up(scripted, keep, said, reason, again) -> None:
    smtp = await scripted(Script(f"RCPT {said}"))
    with pytest.raises(TryLater) as caught:
        await smtp.send(content(), "ada@example.com", sample_attempt(), keep)
    told = caught.value
    assert (told.reason, told.retry_after, told.alone, told.account) == (reason, again, again is not None, False)


async def test_greylisting_ends(world, smtp, keep) -> None:
    with pytest.raises(TryLater):
        await smtp.send(content(), "later@example.com", sample_attempt(), keep)
    await smtp.send(content(), "later@example.com", sample_attempt(), keep)
    assert len(world.of("email")) == 1


async def test_an_answer_lost_after_the_dot_is_unknown_and_keeps_its_id(world, smtp, keep) -> None:
    world.sandbox("email").drop_after_dot = 1
    with pytest.raises(Unknown, match="lost_after_dot"):
        await smtp.send(content(), "ada@example.com", sample_attempt(), keep)
    await smtp.send(content(), "ada@example.com", sample_attempt(resent=True), keep)
    first, second = world.of("email")
    assert first.data["message_id"] == second.data["message_id"]
    assert world.sandbox("email").raw(first) == world.sandbox("email").raw(second)


async def test_a_wrong_password_is_the_accounts_matter(table, clock, keep) -> None:
    smtp = provider(table, clock, password="wrong-secret")
    with pytest.raises(TryLater, match=r"^5\.7\.8$") as caught:
        await smtp.send(content(), "ada@example.com", sample_attempt(), keep)
    assert caught.value.account
    assert "wrong-secret" not in f"{smtp} {smtp!r} {smtp.settings!r}"
    with pytest.raises(TryLater):
        await smtp.check()


async def test_check_logs_in(smtp) -> None:
    await smtp.check()


async def test_a_certificate_that_nobody_signed_is_refused(table, clock, keep) -> None:
    smtp = provider(table, clock, ca_file="")
    with pytest.raises(TryLater, match="not_connected"):
        await smtp.send(content(), "ada@example.com", sample_attempt(), keep)


async def test_too_big_is_refused_before_it_leaves(world, smtp, keep) -> None:
    from dataclasses import replace

    from omnibus_email import Attachment

    big = replace(content(), attachments=(Attachment("a.bin", "application/octet-stream", b"x" * 9_000_000),))
    with pytest.raises(Refused, match="too_big"):
        await smtp.send(big, "ada@example.com", sample_attempt(), keep)
    assert world.of("email") == []


async def test_nobody_there(clock, keep) -> None:
    smtp = provider({"provider": "smtp://127.0.0.1:1", "from": "a@b.example"}, clock)
    with pytest.raises(TryLater, match="not_connected"):
        await smtp.send(content(), "ada@example.com", sample_attempt(), keep)


class Script:
    """Be a server that says what a test wants."""

    def __init__(self, *answers: str, hang_up_after: str = "", silent_after: str = "") -> None:
        self.answers, self.heard = list(answers), []
        self.hang_up_after, self.silent_after = hang_up_after, silent_after
        self.release = asyncio.Event()

    async def __call__(self, reader, writer) -> None:
        writer.write(b"220 x\r\n")
        data = False
        try:
            while raw := await reader.readline():
                line = raw.decode().rstrip("\r\n")
                verb = "." if data and line == "." else line.split(" ")[0].split(":")[0].upper()
                if data and verb != ".":
                    continue
                self.heard.append(line)
                if verb == self.hang_up_after:
                    break
                if verb == self.silent_after:
                    await self.release.wait()
                    break
                data = verb == "DATA"
                known = {"EHLO": "250-x\r\n250 8BITMIME", "DATA": "354 go", "QUIT": "221 bye"}
                answer = next(
                    (each[len(verb) + 1 :] for each in self.answers if each.startswith(f"{verb} ")),
                    known.get(verb, "250 ok"),
                )
                data = data and answer.startswith("354")
                writer.write(answer.encode() + b"\r\n")
                if verb == "STARTTLS":
                    self.heard += [each for each in [await reader.read(64)] if each]
                    break
        except ConnectionError:
            return
        finally:
            writer.transport.abort()


@pytest.fixture
async def scripted(clock):
    made = []

    async def start(script, **changes):
        server = await asyncio.start_server(script, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        smtp = provider(
            {"provider": f"smtp://127.0.0.1:{port}", "from": "a@b.example", "starttls": "never"}, clock, **changes
        )
        made.append((server, smtp, script))
        return smtp

    yield start
    for server, smtp, script in made:
        script.release.set()
        await smtp.aclose()
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize(
    ("script", "error", "reason"),
    [
        (Script(hang_up_after="EHLO"), TryLater, "not_connected"),
        (Script(hang_up_after="MAIL"), TryLater, "not_connected"),
        (Script(hang_up_after="DATA"), TryLater, "not_connected"),
        (Script(hang_up_after="."), Unknown, "lost_after_dot"),
        (Script(". nonsense"), Unknown, "lost_after_dot"),
        (Script("RCPT 550 No such user"), Unreachable, "550"),
        (Script("RCPT 550 Blocked by policy"), Refused, "550"),
        (Script("RCPT 550 5.7.1 relaying denied"), Refused, r"5\.7\.1"),
        (Script("RCPT 450 4.2.1 receiving mail at a rate that is too fast"), TryLater, r"4\.2\.1"),
        (Script("RCPT 550 5.2.1 receiving mail too quickly"), TryLater, r"5\.2\.1"),
        (Script("RCPT 552 5.2.2 over quota"), TryLater, r"5\.2\.2"),
        (Script("MAIL 550 5.1.8 bad sender domain"), TryLater, r"5\.1\.8"),
        (Script("MAIL 550 user unknown"), Refused, "550"),
        (Script("DATA 554 no"), Refused, "554"),
        (Script(". 451 4.3.0 later"), TryLater, r"4\.3\.0"),
        (Script(". 550 5.7.515 not authenticated"), Refused, r"5\.7\.515"),
        (Script(". 550 mailbox unavailable"), Refused, "550"),
        (Script("MAIL 421 4.7.28 unusual rate"), TryLater, r"4\.7\.28"),
        (Script("EHLO 502 what"), Refused, "502"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("pipelining", [True, False])
async def test_every_answer_at_every_command(scripted, keep, script, error, reason, pipelining) -> None:
    script = Script(*script.answers, hang_up_after=script.hang_up_after)
    if pipelining and not any(each.startswith("EHLO") for each in script.answers):
        script.answers.append("EHLO 250-x\r\n250 PIPELINING")
    smtp = await scripted(script)
    with pytest.raises(error, match=f"^{reason}$"):
        await smtp.send(content(), "ada@example.com", sample_attempt(), keep)


async def test_silence_before_the_dot_can_be_tried_again_and_after_it_is_unknown(scripted, keep) -> None:
    smtp = await scripted(Script(silent_after="MAIL"))
    with pytest.raises(TryLater, match="timeout_before_dot"):
        await smtp.send(content(), "ada@example.com", sample_attempt(deadline=0.3), keep)
    smtp = await scripted(Script(silent_after="."))
    with pytest.raises(Unknown, match="deadline"):
        await smtp.send(content(), "ada@example.com", sample_attempt(deadline=1.5), keep)
    assert smtp._pool.idle == []


async def test_a_connection_that_was_closed_meanwhile_is_replaced(world, smtp, keep) -> None:
    await smtp.send(content(), "ada@example.com", sample_attempt(1), keep)
    for each in list(world.sandbox("email")._open):
        each.transport.abort()
    await asyncio.sleep(0)
    await smtp.send(content(), "ada@example.com", sample_attempt(2), keep)
    assert len(world.of("email")) == 2


async def test_no_password_goes_out_in_clear(scripted, keep) -> None:
    script = Script("EHLO 250-x\r\n250 AUTH PLAIN")
    smtp = await scripted(script, starttls="always", user="u", password="p")
    with pytest.raises(TryLater, match="no_starttls"):
        await smtp.send(content(), "ada@example.com", sample_attempt(), keep)
    assert [each.split(" ")[0] for each in script.heard] == ["EHLO"]


@pytest.mark.parametrize(
    ("methods", "said"),
    [("PLAIN LOGIN", ["EHLO", "AUTH PLAIN AHUAcA=="]), ("LOGIN", ["EHLO", "AUTH LOGIN", "dQ==", "cA=="])],
)
async def test_ways_to_log_in(scripted, methods, said) -> None:
    script = Script(f"EHLO 250-x\r\n250 AUTH {methods}", "AUTH 334 ", "DQ== 334 ", "CA== 235 ok")
    if methods.startswith("PLAIN"):
        script.answers[1] = "AUTH 235 ok"
    smtp = await scripted(script, user="u", password="p")
    await smtp.check()
    assert [each.split(" b.")[0] for each in script.heard][: len(said)] == said


async def test_clear_text_behind_starttls_is_an_attack(scripted, keep) -> None:
    script = Script("EHLO 250-x\r\n250 STARTTLS", "STARTTLS 220 go\r\n250 evil")
    smtp = await scripted(script, starttls="auto")
    with pytest.raises(TryLater, match="not_connected"):
        await smtp.send(content(), "ada@example.com", sample_attempt(), keep)
    assert script.heard == ["EHLO b.example", "STARTTLS"]  # not even a handshake


async def test_implicit_tls(world, table, clock, keep, tmp_path) -> None:
    folder = world.folder
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(folder / "smtp.pem", folder / "smtp.key")
    script = Script()
    server = await asyncio.start_server(script, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    settings = SmtpSettings.model_validate(
        {"host": "127.0.0.1", "port": port, "from": "a@b.example", "ca_file": table["ca_file"]}
    )
    smtp = Smtps(settings, now=clock.now)
    await smtp.send(content(), "ada@example.com", sample_attempt(), keep)
    assert str(smtp) == f"smtps://127.0.0.1:{port}"
    await smtp.aclose()
    server.close()
    await server.wait_closed()


async def test_international_addresses_need_a_server_that_knows_them(world, smtp, scripted, keep) -> None:
    await smtp.send(content(), "ädä@bücher.example", sample_attempt(), keep)
    assert world.of("email")[0].to == "ädä@xn--bcher-kva.example"
    plain = await scripted(Script())
    with pytest.raises(Refused, match=r"5\.6\.7"):
        await plain.send(content(), "ädä@bücher.example", sample_attempt(), keep)


def test_xtext_as_the_standard_writes_it() -> None:
    assert xtext("a+b=c d") == "a+2Bb+3Dc+20d"


@pytest.mark.parametrize("shown", ["", "wrong", HOOK_SECRET + "x", PASSWORD])
async def test_the_hook_is_shut_without_the_secret(smtp, shown) -> None:
    with pytest.raises(Forged):
        smtp.receive(
            Request("POST", "https://t.example/hooks/email/smtp", {"x-hook-secret": shown}, b"From: a@b\r\n\r\nx")
        )


async def test_no_secret_configured_shuts_it_too(table, clock) -> None:
    smtp = provider(table, clock, hook_secret="")
    with pytest.raises(Forged):
        smtp.receive(Request("POST", "https://t.example/x", {"x-hook-secret": ""}, b"From: a@b\r\n\r\nx"))


async def test_two_secrets_live_while_one_is_replaced(table, clock) -> None:
    smtp = provider(table, clock, hook_secret="old", previous_hook_secret="new")
    for secret in ("old", "new"):
        smtp.verify(Request("POST", "https://t.example/x", {"x-hook-secret": secret}))


class Hook:
    """Take what the sandbox posts, as the bus would."""

    def __init__(self, smtp) -> None:
        self.smtp, self.reports = smtp, []

    async def post(self, path, *, headers, body, method="POST"):
        import httpx

        self.reports += self.smtp.receive(Request(method, f"https://t.example{path}", headers, body))
        return httpx.Response(200)


async def told(world, smtp, clock, monkeypatch):
    hook = Hook(smtp)
    monkeypatch.setattr(world, "post", hook.post)
    clock.advance(timedelta(minutes=5))
    await world.pump()
    await world.pump()
    return hook.reports


async def test_a_bounce_comes_back_to_its_attempt(world, smtp, clock, keep, monkeypatch) -> None:
    attempt = sample_attempt()
    await smtp.send(content(), "bounce@example.com", attempt, keep)
    (report,) = await told(world, smtp, clock, monkeypatch)
    assert (report.type, report.attempt, report.identity) == ("message.bounced", attempt.id, None)
    assert report.data == {"hard": True, "reason": "5.1.1"}


async def test_a_complaint_comes_back_to_its_mail(world, smtp, clock, keep, monkeypatch) -> None:
    attempt = sample_attempt()
    await smtp.send(content(), "complain@example.com", attempt, keep)
    (report,) = await told(world, smtp, clock, monkeypatch)
    assert (report.type, report.provider_id) == ("message.complained", f"om.{attempt.delivery}@acme.example")
    assert report.data == {"reason": "abuse"}


async def test_a_person_answers_and_writes(world, smtp, clock, keep, monkeypatch) -> None:
    receipt = await smtp.send(content(), "ada@example.com", sample_attempt(), keep)
    sandbox = world.sandbox("email")
    sandbox.reply(world.of("email")[0], "Do you have them\nin brown?")
    sandbox.write("Ada <ada@example.com>", "Where is my parcel?")
    sandbox.write("ada@example.com", "please", subject="Unsubscribe")
    reports = await told(world, smtp, clock, monkeypatch)
    assert sorted((each.type, each.provider_id, each.identity, dict(each.data)) for each in reports) == [
        ("consent.withdrawn", None, ("email", "ada@example.com"), {"channel": "email", "purpose": "marketing", "topic": "*"}),
        ("conversation.received", None, ("email", "ada@example.com"),
         {"channel": "email", "text": "Where is my parcel?", "subject": "Hello"}),
        ("message.replied", receipt.provider_id, ("email", "ada@example.com"),
         {"channel": "email", "text": "Do you have them\nin brown?", "subject": "Re: Ada, your Trail Boots are waiting"}),
    ]  # fmt: skip


async def test_the_ledger_survives_a_restart(world, smtp, clock, keep, tmp_path) -> None:
    from omnibus.testing import World

    await smtp.send(content(), "ada@example.com", sample_attempt(), keep)
    again = World(world.folder, clock.now)
    await again.start(SmtpSandbox)
    assert again.sandbox("email")._next() == "Q000002"
    assert again.sandbox("email").raw(again.of("email")[0])
    await again.stop()


@pytest.mark.parametrize("path", ["nobody", "a@b\r\nRCPT TO:<x@y.example>", "{attempt}", "a b@c.example"])
def test_a_wrong_return_path_is_found_at_the_start(clock, path) -> None:
    settings = SmtpSettings.model_validate({"host": "x", "from": "a@b.example", "return_path": path})
    with pytest.raises(InputError, match="return_path"):
        Smtp(settings, now=clock.now)


async def test_verp_puts_the_attempt_into_the_return_path(world, table, clock, keep) -> None:
    smtp = provider(table, clock, return_path="bounce+{attempt}@acme.example")
    attempt = sample_attempt()
    await smtp.send(content(), "ada@example.com", attempt, keep)
    await smtp.aclose()
    assert world.of("email")[0].data["envelope_from"] == f"bounce+{attempt.id}@acme.example"


def test_as_many_go_on_at_a_time_as_connections_may_be_open() -> None:
    settings = {"host": "mail.example.com", "from": "hello@acme.example", "connections": 3}
    assert Smtp(Smtp.Settings.model_validate(settings), now=FakeClock().now).at_once == 3
