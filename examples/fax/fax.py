"""A seventh channel in one file: fax, carried to a folder, so that it runs without a machine that squeals."""

import re
from collections.abc import Callable
from pathlib import Path

from omnibus import (
    Attempt,
    Capabilities,
    Channel,
    Content,
    Context,
    Draft,
    Keep,
    Layout,
    Loss,
    MessageError,
    Provider,
    ProviderSettings,
    Receipt,
    Refused,
    hookimpl,
)  # fmt: skip

PAGE = 1_200  # characters that stay readable on one page
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


class Fax(Channel):
    """Say it on one page."""

    name = "fax"
    identity = "fax"
    capabilities = Capabilities(max_length=PAGE, points=2)

    def compose(self, draft: Draft, layout: Layout | None, context: Context) -> Content:
        """Keep the first ranks that fit, and every fact, letter by letter."""
        block = draft.blocks.get("fax")
        kept = [(plain(block), 0)] if block else [(plain(each.text), each.rank) for each in draft.elements]
        facts, losses = (
            [each.text for each in draft.facts],
            [Loss("picture", "a fax carries none") for _ in draft.media],
        )
        while len(text := page(draft.brand.name, [words for words, _ in kept], facts)) > PAGE:
            if not kept:
                raise MessageError("too much for a page", where=draft.message.source, fix="shorten the facts")
            last = max(range(len(kept)), key=lambda place: (kept[place][1], place))
            losses.append(Loss(kept.pop(last)[0][:30], f"a page holds {PAGE} characters"))
        return Content(text=text, losses=tuple(losses))


def page(brand: str, words: list[str], facts: list[str]) -> str:
    """Write the page: who speaks, what is said, and the facts that no sentence holds."""
    body = "\n\n".join([f"From: {plain(brand)}", *words])
    return "\n\n".join([body, *(fact for fact in dict.fromkeys(facts) if fact not in body)])


def plain(text: str) -> str:
    """Keep a person's words from becoming commands of the machine: no control characters."""
    return " ".join(CONTROL.sub(" ", text).split())


class Tray(Provider):
    """Put faxes into a folder, one file an attempt."""

    channel, scheme = Fax, "tray"
    idempotency = "key"  # the attempt names the file, so the same one twice is one fax
    key_window = 0  # for ever

    class Settings(ProviderSettings):
        """Read ``[channels.fax]``."""

        folder: Path

    async def deliver(self, content: Content, address: str, attempt: Attempt, keep: Keep) -> Receipt:
        """Write the file."""
        if not address.startswith("+"):
            raise Refused("not a number")
        self.settings.folder.mkdir(parents=True, exist_ok=True)
        (self.settings.folder / f"{attempt.id}.txt").write_text(f"To: {address}\n\n{content.text}\n", "utf-8")
        return Receipt(attempt.id, {"pages": 1})


@hookimpl
def omnibus_register(register: Callable[..., None]) -> None:
    """Bring the channel and its carrier."""
    register(Fax, Tray)
