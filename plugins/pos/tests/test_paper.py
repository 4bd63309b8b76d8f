"""Our decoder and encoder against python-escpos, zxing-cpp and Pillow."""

import io

import pytest
import zxingcpp
from escpos.printer import Dummy
from PIL import Image
from pydantic import ValidationError

from omnibus.testing import sample_context, sample_draft
from omnibus.testing.drafts import BRAND
from omnibus_pos import Escpos, PaperReceipt
from omnibus_pos.commands import Ink, Page, job, qr, raster
from omnibus_pos.decode import decoded
from omnibus_pos.models import code_pages
from omnibus_pos.paper import Cut, Logo, QrCode, Text
from omnibus_pos.picture import qr_path, receipt_picture


def dummy(profile="TM-T88V"):
    return Dummy(profile=profile)


@pytest.mark.parametrize("words", ["Grüße 39 €", "Привет", "Zażółć gęślą jaźń", "Ελλάδα", "naïve café", "plain"])
def test_our_decoder_reads_what_python_escpos_writes_and_we_write_the_same_words(words):
    device = dummy()
    device.text(words + "\n")
    theirs = [each.text for each in decoded(device.output) if isinstance(each, Text)]
    pages = tuple(Page(codec, number) for codec, number in code_pages("TM-T88V").items())
    ink = Ink(pages)
    ours = [each.text for each in decoded(job([Text(words)], 42, ink)) if isinstance(each, Text)]
    assert theirs == ours == [words]
    assert ink.replaced == 0


@pytest.mark.parametrize("data", ["ADA7-K2M9-3QXT", "https://acme.example/c/7Qx2?é=1", "x" * 300])
def test_qr_and_cut_are_those_of_python_escpos(data):
    device = dummy()
    device.qr(data, native=True, size=6)
    assert device.output == qr(data, 6, "L")
    device = dummy()
    device.cut()
    assert [type(each) for each in decoded(device.output)][-1] is Cut


def test_a_raster_is_that_of_python_escpos():
    picture = Image.new("1", (16, 3), 1)
    for x in range(0, 16, 3):
        picture.putpixel((x, 1), 0)
    device = dummy()
    device.image(picture, impl="bitImageRaster")
    rows = bytes(byte ^ 0xFF for byte in picture.tobytes())
    assert device.output == raster(16, rows)
    assert decoded(device.output) == [Logo("", 16, rows)]


def test_styles_of_python_escpos_are_read():
    device = dummy()
    device.set(align="center", bold=True, double_width=True, double_height=True)
    device.text("Total\n")
    assert decoded(device.output) == [Text("Total", "centre", bold=True, size=2)]


def test_a_models_numbers_are_its_own():
    made = Escpos.Settings.model_validate({"host": "p", "model": "POS-5890", "codepages": "cp858,cp1251,cp437:50"})
    assert [(page.codec, page.number) for page in made.pages] == [("cp858", 19), ("cp1251", 73), ("cp437", 50)]
    for wrong in (
        {"model": "No-Such"},
        {"model": "TM-T88V", "codepages": "cp1250,cp932"},
        {"model": "simple", "codepages": "cp866"},
    ):
        with pytest.raises(ValidationError):
            Escpos.Settings.model_validate({"host": "p", **wrong})


def dots_of(path, edge):
    """Draw the path of a QR code as a grey picture, four pixels a module."""
    pixels = bytearray(b"\xff" * edge * edge)
    for step in path.split('"')[1].split("M")[1:]:
        x, y = (int(each) for each in step.split("h")[0].split(" "))
        for row in range(y, y + 4):
            pixels[row * edge + x : row * edge + x + 4] = bytes(4)
    return memoryview(bytes(pixels)).cast("B", (edge, edge))


@pytest.mark.parametrize("data", ["ADA7-K2M9-3QXT", "https://acme.example/c/7Qx2", "é€漢", "x" * 900])
def test_zxing_reads_every_code_back(data):
    path, edge = qr_path(data, "M", 4, 0, 0)
    assert [each.text for each in zxingcpp.read_barcodes(dots_of(path, int(edge)))] == [data]


@pytest.mark.parametrize(
    ("columns", "length", "size"), [(42, 14, 6), (42, 300, 6), (42, 600, 4), (32, 300, 4), (32, 1500, 0)]
)
def test_a_code_shrinks_to_fit_the_paper_or_is_told_as_lost(columns, length, size):
    from omnibus.model.offer import Terms

    channel = PaperReceipt(PaperReceipt.Settings(columns=columns))
    terms = Terms("o", "X" * length, "15 % off", 15)
    content = channel.compose(sample_draft("receipt", offer=terms), None, sample_context())
    assert [each.size for each in content.pieces if isinstance(each, QrCode)] == ([size] if size else [])
    assert [each.what for each in content.losses] == ([] if size else ["QR code"])


def test_the_logo_is_printed_as_dots(tmp_path):
    from dataclasses import replace

    path = tmp_path / "logo.png"
    logo = Image.new("RGBA", (100, 20), (0, 0, 0, 0))
    logo.paste((10, 10, 10, 255), (0, 0, 50, 20))
    logo.save(path)
    channel = PaperReceipt()

    def content(path):
        brand = replace(BRAND, theme=replace(BRAND.theme, logo_path=str(path)))
        draft = sample_draft("receipt", brand=brand)
        return channel.compose(draft, channel.layout(draft.message, brand, "en"), sample_context())

    made = content(path)
    head = made.pieces[0]
    assert (head.name, head.width, len(head.raster) % 12) == ("Acme", 96, 0)
    assert head.raster[:12] == b"\xff" * 6 + b"\x00" * 6
    (printed,) = [each for each in decoded(job(made.pieces, 42, Ink((Page("cp858", 19),)))) if isinstance(each, Logo)]
    assert printed == Logo("", 96, head.raster)
    assert b"<path" in receipt_picture([head], 42)
    (tmp_path / "no.png").write_bytes(b"no picture")
    for wrong in (tmp_path / "no.png", tmp_path / "absent.png"):
        lost = content(wrong)
        assert lost.pieces[0] == Logo("Acme")
        assert [each.what for each in lost.losses] == ["logo"]
    tall = io.BytesIO()
    Image.new("L", (10, 2000)).save(tall, "PNG")
    path.write_bytes(tall.getvalue())
    assert content(path).pieces[0].width == 8
