"""Kill the publisher at every point of its sequence, start all anew over the same disk, and count the posts."""

import contextlib
import json
from collections.abc import Callable

import pytest

from omnibus import Absent, Media, Receipt, Refused, Response, TryLater, Unknown
from omnibus_instagram.api import Api
from omnibus_instagram.sandbox import GraphSandbox

from .conftest import ADA, FileKeep, Shop

CAROUSEL = {"media": [Media("https://acme.example/1.jpg"), Media("https://acme.example/2.mp4")]}
KINDS = {"image": {}, "story": {"data": {"instagram": {"kind": "story"}}}, "carousel": CAROUSEL}


class Crash(BaseException):
    """Stop everything at once, as a power cut does."""


class Fuse:
    """Blow before the n-th step; a step lies before and after each call, and before and after each note."""

    def __init__(self, at: int) -> None:
        self.at, self.steps = at, 0

    def step(self):
        if self.steps == self.at:
            raise Crash
        self.steps += 1


class Brittle(FileKeep):
    fuse: Fuse

    async def set(self, name, value):
        self.fuse.step()
        await super().set(name, value)
        self.fuse.step()


def wired(shop: Shop, fuse: Fuse, monkeypatch: pytest.MonkeyPatch) -> Brittle:
    call: Callable = Api._call

    async def brittle(self, *args, **named):
        fuse.step()
        told = await call(self, *args, **named)
        fuse.step()
        return told

    monkeypatch.setattr(Api, "_call", brittle)
    keep = Brittle(shop.keep.path)
    keep.fuse = fuse
    return keep


async def as_the_core_does(shop: Shop, content, address: str = "") -> Receipt:
    """Look the lost attempt up; hand it over again only when it surely never arrived."""
    found = await shop.graph.lookup(shop.attempt(), address, shop.keep)
    if isinstance(found, Receipt):
        return found
    again = shop.attempt(1, id="0197f5a0-0000-7000-9000-00000000ffff")
    return await shop.graph.send(content, address, again, shop.keep)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_crash_at_any_point_neither_repeats_nor_loses_the_post(begin, tmp_path, monkeypatch, kind):
    points = 0
    while True:
        shop = await Shop(tmp_path / str(points)).start()
        content, fuse = shop.post(**KINDS[kind]), Fuse(points)
        with monkeypatch.context() as patch:
            keep = wired(shop, fuse, patch)
            try:
                await shop.graph.send(content, "", shop.attempt(), keep)
                crashed = False
            except Crash:
                crashed = True
        await shop.restart()
        receipt = await as_the_core_does(shop, content)
        posts = shop.received("post")
        assert len(posts) == 1, f"point {points}: {len(posts)} posts"
        assert receipt.provider_id == posts[0].id, f"point {points}: the receipt names another post"
        assert json.loads(shop.keep.path.read_text())[f"media:{shop.attempt().delivery}"] == posts[0].id
        await shop.stop()
        if not crashed:
            break
        points += 1
    assert points == {"image": 20, "story": 20, "carousel": 36}[kind]


async def test_a_crash_before_the_note_leaves_an_orphan_and_one_post(begin, tmp_path, monkeypatch):
    shop = await begin(tmp_path)
    content = shop.post()
    with monkeypatch.context() as patch:
        keep = wired(
            shop, Fuse(8), patch
        )  # token (2), quota (2), note of the time (2), container (2): its note comes next
        with pytest.raises(Crash):
            await shop.graph.send(content, "", shop.attempt(), keep)
    assert (len(shop.received("container")), len(shop.received("post"))) == (1, 0)
    await shop.restart()
    await as_the_core_does(shop, content)
    assert (len(shop.received("container")), len(shop.received("post"))) == (2, 1)


class Silent(GraphSandbox):
    """Do what is asked, and lose the answer of what publishes or sends."""

    broken = True

    async def answer(self, request):
        told = await super().answer(request)
        if self.broken and request.path.endswith(("/media_publish", "/messages")):
            return Response(502, b"<html>Bad gateway</html>")
        return told


async def test_a_lost_answer_is_looked_up_in_the_container(begin, tmp_path):
    shop = await begin(tmp_path, sandbox_class=Silent)
    content = shop.post()
    with pytest.raises(Unknown, match="http_502"):
        await shop.graph.send(content, "", shop.attempt(), shop.keep)
    await shop.restart()
    receipt = await shop.graph.lookup(shop.attempt(), "", shop.keep)
    (post,) = shop.received("post")
    assert receipt == Receipt(post.id, {"container": post.data["container"], "permalink": post.data["permalink"]})
    assert await shop.graph.lookup(shop.attempt(), "", shop.keep) == receipt


async def test_two_posts_since_make_the_container_the_name(begin, tmp_path):
    shop = await begin(tmp_path, sandbox_class=Silent)
    with pytest.raises(Unknown):
        await shop.publish(1)
    shop.sandbox.broken = False
    await shop.publish(2)
    first, _ = shop.received("post")
    receipt = await shop.graph.lookup(shop.attempt(1), "", shop.keep)
    assert receipt == Receipt(first.data["container"], {"container": first.data["container"], "permalink": ""})


async def test_a_lost_direct_message_is_looked_up_in_the_conversation(begin, tmp_path):
    shop = await begin(tmp_path, sandbox_class=Silent)
    await shop.sandbox.message_from(ADA, "Your boots are ready.")  # the same words of theirs are not ours
    with pytest.raises(Unknown):
        await shop.write(1)
    await shop.restart()
    (direct,) = shop.received("direct")
    assert await shop.graph.lookup(shop.attempt(1), ADA, shop.keep) == Receipt(direct.id)
    with pytest.raises(Unknown, match="no_address"):
        await shop.graph.lookup(shop.attempt(1), "", shop.keep)


async def test_a_crash_before_a_direct_message_leaves_is_an_absence(begin, tmp_path, monkeypatch):
    shop = await begin(tmp_path)
    await shop.sandbox.message_from(ADA, "hello")
    letter = shop.letter()
    for point in range(6):
        with monkeypatch.context() as patch:
            keep = wired(shop, Fuse(point), patch)
            with contextlib.suppress(Crash):
                await shop.graph.send(letter, ADA, shop.attempt(), keep)
        await shop.restart()
        found = await shop.graph.lookup(shop.attempt(), ADA, shop.keep)
        assert isinstance(found, Absent if point < 5 else Receipt), f"point {point}"
        if point == 5:
            break
    assert len(shop.received("direct")) == 1


class Late(GraphSandbox):
    """Say FINISHED of a container that is being published at this moment."""

    behind = False

    def status(self, container):
        told = super().status(container)
        if told == "PUBLISHED" and self.behind:
            self.behind = False
            return "FINISHED"
        return told


async def test_a_publish_that_overtakes_us_is_found_by_its_refusal(begin, tmp_path):
    shop = await begin(tmp_path, sandbox_class=Late)
    content = shop.post()
    await shop.publish(1)
    shop.sandbox.behind = True
    assert isinstance(await shop.graph.lookup(shop.attempt(1), "", shop.keep), Absent)
    shop.sandbox.behind = True
    again = await shop.graph.send(content, "", shop.attempt(1, id="another"), shop.keep)
    (post,) = shop.received("post")
    assert again.provider_id == post.id
    assert shop.refused() == ["9007/2207027"]


async def test_a_quota_that_fills_meanwhile_is_a_wait(shop, monkeypatch):
    async def blind(self):
        return None

    monkeypatch.setattr(type(shop.graph._press), "_quota", blind)
    shop.sandbox.quota = 0
    with pytest.raises(TryLater, match="publishing_quota"):
        await shop.publish()
    assert (shop.received("post"), shop.refused()) == ([], ["9/2207042"])


async def test_a_container_in_error_is_made_anew(begin, tmp_path):
    class Failing(GraphSandbox):
        said = "Error: Media upload has failed with error code 2207053"

        def _node(self, id_):
            told = super()._node(id_)
            return told | {"status_code": "ERROR", "status": self.said} if self.said and "status_code" in told else told

    shop = await begin(tmp_path, sandbox_class=Failing)
    with pytest.raises(TryLater, match="anew:container:2207053"):
        await shop.publish()
    shop.sandbox.said = "Error: Media upload has failed with error code 2207026"
    with pytest.raises(Refused, match="container:2207026"):
        await shop.publish()
    shop.sandbox.said = ""
    await shop.publish()
    assert len(shop.received("post")) == 1
