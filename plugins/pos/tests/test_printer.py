import asyncio

import pytest
from pydantic import ValidationError

from omnibus import Purpose, Refused, TryLater, Unknown
from omnibus.testing import FakeClock, World, sample_attempt, sample_context, sample_draft
from omnibus_pos import Escpos, PaperReceipt
from omnibus_pos.sandbox import PrinterSandbox

CLOCK = FakeClock()


@pytest.fixture
async def world(tmp_path):
    world = World(tmp_path / "world", CLOCK.now)
    await world.start(PrinterSandbox)
    yield world
    await world.stop()


def printer(world, **changes):
    told = {"host": "127.0.0.1", "port": world.sandbox("receipt").port, "codepages": "cp858,cp866", **changes}
    return Escpos(Escpos.Settings.model_validate(told), now=CLOCK.now)


def content(**changes):
    return PaperReceipt().compose(sample_draft("receipt", **changes), None, sample_context())


async def sent(provider, paper=None, deadline=5.0):
    return await provider.send(paper or content(), "", sample_attempt(deadline=deadline), None)


async def test_a_receipt_is_printed_and_drawn(world):
    receipt = await sent(printer(world))
    assert receipt.provider_id is None
    assert {**receipt.details, "bytes": 0} == {"bytes": 0, "replaced": 0, "paper": "ok"}
    (entry,) = world.of("receipt")
    assert (entry.id, entry.kind, entry.attempt) == ("receipt-1", "receipt", "000000000001")
    assert entry.data["qr"] == ["ADA7-K2M9-3QXT"]
    for words in ("Acme", "Ada, your Trail Boots are waiting", "€39.00", "ADA7-K2M9-3QXT", "24 November 2026"):
        assert words in entry.text
    folder = world.folder / "receipts"
    assert (folder / "receipt-1.txt").read_text("utf-8") == entry.text + "\n"
    assert (folder / "receipt-1.svg").read_bytes().startswith(b"<svg")


async def test_the_drawn_qr_code_is_read_back(world):
    import zxingcpp as zxing

    from omnibus_pos.picture import qr_path

    path, edge = qr_path("ADA7-K2M9-3QXT", "M", 4, 0, 0)
    edge = int(edge)
    pixels = bytearray(b"\xff" * edge * edge)
    for step in path.split('"')[1].split("M")[1:]:
        x, y = (int(each) for each in step.split("h")[0].split(" "))
        for row in range(y, y + 4):
            pixels[row * edge + x : row * edge + x + 4] = bytes(4)
    image = memoryview(bytes(pixels)).cast("B", (edge, edge))
    assert [each.text for each in zxing.read_barcodes(image)] == ["ADA7-K2M9-3QXT"]


async def test_ids_go_on_after_a_restart(world, tmp_path):
    await sent(printer(world))
    again = World(tmp_path / "world", CLOCK.now)
    await again.start(PrinterSandbox)
    await sent(printer(again))
    await again.stop()
    assert [each.id for each in again.of("receipt")] == ["receipt-1", "receipt-2"]


@pytest.mark.parametrize(("trouble", "reason"), [("paper_out", "paper_out"), ("cover_open", "cover_open")])
async def test_a_printer_that_cannot_print_is_asked_before(world, trouble, reason):
    setattr(world.sandbox("receipt"), trouble, True)
    with pytest.raises(TryLater) as caught:
        await sent(printer(world))
    assert caught.value.reason == reason
    assert world.entries == []


async def test_paper_near_its_end_is_told(world):
    world.sandbox("receipt").near_end = True
    assert (await sent(printer(world))).details["paper"] == "near_end"


async def test_nobody_there_is_later(world):
    provider = printer(world)
    await world.stop()
    with pytest.raises(TryLater) as caught:
        await sent(provider)
    assert caught.value.reason == "not_connected"


async def test_a_silent_printer_gets_no_job(world):
    world.sandbox("receipt").silent = True
    with pytest.raises(TryLater) as caught:
        await sent(printer(world, status_seconds=0.05))
    assert caught.value.reason == "no_status"
    assert world.entries == []


async def test_a_reset_after_any_byte_is_unknown_and_never_two_prints(world):
    paper = PaperReceipt().compose(
        sample_draft("receipt", offer=None, cta=None, paragraphs=("Hi",), headline=""), None, sample_context()
    )
    whole = 9 + (await sent(printer(world), paper)).details["bytes"]  # three status requests of three bytes
    box = world.sandbox("receipt")
    for k in range(1, whole + 1):
        box.reset_after, before = k, len(world.of("receipt"))
        with pytest.raises(Unknown):
            await sent(printer(world), paper)
        assert len(world.of("receipt")) - before == (1 if k >= whole - 3 else 0), k
    box.reset_after = whole + 1
    await sent(printer(world), paper)


async def test_a_printer_that_stops_in_the_job_is_unknown(world):
    async def half(reader, writer):
        for _ in range(2):
            await reader.readexactly(3)
            writer.write(b"\x12")
        await reader.read(100_000)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(half, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(Unknown) as caught:
        await sent(printer(world, port=port, finish_seconds=0.05))
    assert caught.value.reason == "no_status"
    with pytest.raises(Unknown) as caught:
        await sent(printer(world, port=port), deadline=0.05)
    assert caught.value.reason == "deadline"
    server.close()


async def test_paper_that_ends_in_the_job_is_unknown(world):
    async def ends(reader, writer):
        for status in (b"\x12", b"\x12"):
            await reader.readexactly(3)
            writer.write(status)
        await reader.readuntil(b"\x1dV\x41\x03\x10\x04\x04")
        writer.write(b"\x14\x72")  # automatic status comes between and is skipped
        await reader.read()
        writer.close()

    server = await asyncio.start_server(ends, "127.0.0.1", 0)
    with pytest.raises(Unknown) as caught:
        await sent(printer(world, port=server.sockets[0].getsockname()[1]))
    assert caught.value.reason == "paper_out_in_job"
    server.close()


async def test_a_fact_that_the_printer_cannot_spell_is_refused(world):
    with pytest.raises(Refused) as caught:
        await sent(printer(world, codepages="cp437"))  # has no euro sign
    assert caught.value.reason == "unprintable"
    assert world.entries == []
    cyrillic = content(headline="Привет, 阿达", purpose=Purpose.SERVICE)
    receipt = await sent(printer(world), cyrillic)
    assert receipt.details["replaced"] == 2
    assert "Привет, ??" in world.of("receipt")[0].text


async def test_two_jobs_at_once_print_one_after_the_other(world):
    provider = printer(world)
    await asyncio.gather(*(sent(provider) for _ in range(4)))
    assert len({each.text for each in world.of("receipt")}) == 1
    assert len(world.of("receipt")) == 4


async def test_check_prints_nothing_and_names_the_trouble(world):
    provider = printer(world)
    await provider.check()
    world.sandbox("receipt").cover_open = True
    with pytest.raises(TryLater, match="cover_open"):
        await provider.check()
    assert world.entries == []


async def test_a_print_server_that_answers_nothing_is_written_to_when_told_so(world):
    world.sandbox("receipt").silent = True
    receipt = await sent(printer(world, status=False))
    assert receipt.details["paper"] == "unknown"
    assert len(world.of("receipt")) == 1
    world.sandbox("receipt").reset_after = 40
    with pytest.raises(Unknown):
        await sent(printer(world, status=False))
    await printer(world, status=False).check()


async def test_closed_prints_nothing(world):
    provider = printer(world)
    await provider.aclose()
    await provider.aclose()
    with pytest.raises(TryLater, match="closed"):
        await sent(provider)


def test_settings_know_the_code_pages():
    settings = Escpos.Settings.model_validate({"host": "p", "codepages": "cp858:71, cp866"})
    assert [(page.codec, page.number) for page in settings.pages] == [("cp858", 71), ("cp866", 17)]
    for wrong in ("cp932", "cp858:999", "cp858:x", ()):
        with pytest.raises(ValidationError, match="codepages"):
            Escpos.Settings.model_validate({"host": "p", "codepages": wrong})
    assert str(Escpos(settings, now=CLOCK.now)) == "escpos://p:9100"


async def test_python_escpos_as_second_client_reads_the_status(world):
    from escpos.printer import Network

    box = world.sandbox("receipt")

    def ask():
        device = Network("127.0.0.1", box.port, timeout=2)
        try:
            return device.is_online(), device.paper_status()
        finally:
            device.close()

    assert await asyncio.to_thread(ask) == (True, 2)
    box.near_end = True
    assert await asyncio.to_thread(ask) == (True, 1)
    box.paper_out = True
    assert await asyncio.to_thread(ask) == (False, 0)
