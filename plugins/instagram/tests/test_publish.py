"""What each kind of post says on the wire, and what is read of the quota."""

import io

import pytest
from PIL import Image, ImageFont

from omnibus import InputError, Media, MessageError
from omnibus.testing import sample_context, sample_draft
from omnibus_instagram import Posts
from omnibus_instagram.picture import STORY, Card, draw, fit, lettered, words
from omnibus_instagram.publish import payload, quota

URL = "https://acme.example/1"
STILLS = [Media(f"{URL}.jpg", "Boots"), Media(f"{URL}.mp4", "Boots, walking"), Media(f"{URL}.jpg?2")]


def post(*media, **options):
    draft = sample_draft(
        "instagram", "public", media=media, block="Boots!", offer=None, cta=None, data={"instagram": options}
    )
    return Posts().compose(draft, None, sample_context())


CAPTION = "Boots!\n\n€39.00"


@pytest.mark.parametrize(
    ("content", "url", "body"),
    [
        (post(STILLS[0]), "U.jpg", {"image_url": "U.jpg", "alt_text": "Boots", "caption": CAPTION}),
        (
            post(STILLS[0], location_id="7", collaborators=["ada"], user_tags=[{"username": "ada", "x": 0.5, "y": 1}]),
            "U.jpg",
            {
                "image_url": "U.jpg", "alt_text": "Boots", "caption": CAPTION, "location_id": "7", "collaborators": ["ada"],
                "user_tags": [{"username": "ada", "x": 0.5, "y": 1.0}],
            },
        ),
        (post(STILLS[0], kind="story"), "U.jpg", {"media_type": "STORIES", "image_url": "U.jpg"}),
        (
            post(video=f"{URL}.mov", cover=f"{URL}.jpg", thumb_offset=0, share_to_feed=False, audio_name="Rain"),
            "U.mov",
            {
                "media_type": "REELS", "video_url": "U.mov", "caption": CAPTION, "cover_url": f"{URL}.jpg",
                "thumb_offset": 0, "share_to_feed": False, "audio_name": "Rain",
            },
        ),
    ],
)  # fmt: skip
def test_each_kind_has_its_parameters(content, url, body):
    assert payload(content, url, 0) == body


def test_the_children_of_a_carousel():
    album = post(*STILLS)
    assert payload(album, "U.jpg", 0) == {"is_carousel_item": True, "image_url": "U.jpg", "alt_text": "Boots"}
    assert payload(album, "U.mp4", 1) == {"is_carousel_item": True, "media_type": "VIDEO", "video_url": "U.mp4"}
    assert payload(album, "U.jpg", 2) == {"is_carousel_item": True, "image_url": "U.jpg"}


async def test_a_carousel_on_the_wire(shop, tmp_path):
    files = [tmp_path / "tall.png", tmp_path / "wide.png"]
    for file, size in zip(files, [(800, 1_000), (1_000, 500)], strict=True):
        Image.new("RGB", size, "#113355").save(file)
    receipt = await shop.publish(media=[Media(str(each)) for each in files], data={"instagram": {"location_id": "7"}})
    (post,) = shop.received("post")
    *children, album = shop.received("container")
    assert album.data == {
        "media_type": "CAROUSEL", "children": ",".join(each.id for each in children), "caption": post.text, "location_id": "7",
    }  # fmt: skip
    assert receipt.provider_id == post.id
    sizes = []
    for name in (f"post-{post.id}.jpg", f"post-{post.id}-2.jpg"):
        with Image.open(shop.sandbox.folder / name) as picture:
            sizes.append(picture.size)
    assert sizes == [(800, 1_000), (1_000, 1_250)]  # all in the ratio of the first
    assert shop.sandbox.feed.quota_used() == 1


async def test_a_reel_on_the_wire(shop):
    await shop.publish(data={"instagram": {"video": f"{URL}.mp4", "cover": f"{URL}.jpg"}})
    (post,) = shop.received("post")
    assert (post.data["kind"], post.data["fields"]["video_url"]) == ("REELS", f"{URL}.mp4")
    assert (shop.sandbox.folder / f"post-{post.id}.html").exists()


async def test_a_video_file_is_served_from_the_shelf(shop, tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"moov")
    await shop.publish(data={"instagram": {"video": str(tmp_path / "a.mp4")}})
    (container,) = shop.received("container")
    assert container.data["video_url"].startswith(f"{shop.sandbox.base_url}/shelf/")


@pytest.mark.parametrize(
    ("told", "read"),
    [
        ({"data": [{"quota_usage": 2, "config": {"quota_total": 50, "quota_duration": 86400}}]}, (2, 50)),
        ({"data": [{"quota_usage": 2}]}, (2, None)),
        ({"data": []}, (0, None)),
        ({"data": [{"quota_usage": "2", "config": {"quota_total": None}}]}, (0, None)),
    ],
)
def test_a_quota_is_read_and_never_assumed(told, read):
    assert quota(told) == read


# ---- pictures


def picture(size, mode="RGB", kind="PNG", **more):
    out = io.BytesIO()
    Image.new(mode, size).save(out, kind, **more)
    return out.getvalue()


@pytest.mark.parametrize(
    ("size", "fitted"),
    [
        ((1_000, 1_000), (1_000, 1_000)),
        ((1_000, 1_250), (1_000, 1_250)),
        ((1_000, 2_000), (1_440, 1_800)),
        ((1_000, 100), (1_000, 524)),
        ((4_000, 4_000), (1_440, 1_440)),
        ((10, 10), (320, 320)),
        ((1, 4_000), (1_440, 1_800)),
    ],
)
def test_a_picture_is_padded_into_the_allowed_ratios(size, fitted):
    with Image.open(io.BytesIO(fit(picture(size)))) as made:
        assert (made.format, made.mode, made.size) == ("JPEG", "RGB", fitted)
        assert 0.799 <= made.width / made.height <= 1.911


@pytest.mark.parametrize(
    ("mode", "kind"), [("RGBA", "PNG"), ("P", "GIF"), ("LA", "PNG"), ("CMYK", "JPEG"), ("L", "PNG")]
)
def test_every_mode_becomes_rgb(mode, kind):
    with Image.open(io.BytesIO(fit(picture((500, 500), mode, kind), background="#ff0000"))) as made:
        assert made.mode == "RGB"


def test_the_place_where_it_was_taken_is_nobodys_business():
    exif = Image.Exif()
    exif[0x0112], exif[0x9286] = 6, "taken at home"
    data = fit(picture((600, 400), kind="JPEG", exif=exif))
    with Image.open(io.BytesIO(data)) as made:
        assert made.size == (480, 600)  # turned upright, then padded
        assert not made.getexif()
    assert b"home" not in data


def test_drawn_words_can_be_read_back():
    card = Card(
        "Glow is here",
        "€39.00 until 30 November\n\nhttps://acme.example/a-very-long-link-that-needs-more-than-one-line",
    )
    data = draw(card)
    assert words(data) == f"{card.headline}\n\n{card.text}"
    assert words(fit(picture((500, 500)))) == ""


def test_words_are_drawn_whole_or_not_at_all():
    long = Card("WIDE " * 20, "WORDS " * 60 + "\n\n" * 9, size=STORY)
    for photo in (None, picture((900, 900))):
        with Image.open(io.BytesIO(draw(long, photo=photo))) as made:
            assert made.size == STORY
    many = Card("", "line\n" * 60, size=STORY)
    with pytest.raises(InputError, match="more words"):
        draw(many)
    poor = ImageFont.load_default(20)
    assert lettered("Grüße für €5 — 😀", poor) == "Grusse fur EUR 5 - "
    with pytest.raises(InputError, match="lacks letters"):
        lettered("靴子", poor)
    with pytest.raises(InputError, match="font file"):
        draw(long, font="/nowhere/missing.ttf")


def test_a_story_that_says_and_shows_nothing_is_refused():
    draft = sample_draft(
        "instagram", "public", headline="", paragraphs=(), offer=None, cta=None, block=" ",
        data={"instagram": {"kind": "story"}},
    )  # fmt: skip
    with pytest.raises(MessageError, match="a picture or words"):
        Posts().compose(draft, None, sample_context())
