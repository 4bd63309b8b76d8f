"""What every provider keeps when an answer was lost: its claim of idempotency is true."""

from __future__ import annotations

import asyncio
from urllib.parse import unquote_plus

from omnibus.errors import DeliveryError, Unknown
from omnibus.model.attempt import Absent, Attempt, Receipt
from omnibus.model.request import Request
from omnibus.provider import Provider
from omnibus.testing.contracts.subject import PATIENCE, Subject, at_hand_over
from omnibus.testing.drafts import sample_attempt
from omnibus.testing.fakes import FakeKeep
from omnibus.testing.faults import Fault, FaultyServer, Reply, Script

_TROUBLES: tuple[Reply | Fault, ...] = (
    Reply(500), Reply(503), Reply(429), Reply.of_json({}, 401), Reply.of_json({}, 400), Fault.RESET, Fault.GARBAGE,
    Fault.TRUNCATED, Reply(200, b"<html>"), Reply.of_json([None]), Reply.of_json("x"), Reply(302, b"", {"location": "/x"}),
)  # fmt: skip


class Repeating(Subject):
    """Hand the same attempt over twice, and ask for lost ones."""

    def key(self, request: Request) -> str:
        """Read the idempotency key off the wire; override when it is not the header ``Idempotency-Key``."""
        return request.headers.get("idempotency-key", "")

    def found(self, request: Request, attempt: Attempt) -> Reply:
        """Answer a look-up as the provider does when it has the attempt."""
        raise AssertionError("override found(): idempotency is `lookup`")

    def absent(self, request: Request) -> Reply:
        """Answer a look-up as the provider does when it surely never got the attempt."""
        raise AssertionError("override absent(): idempotency is `lookup`")

    async def test_its_claim_of_idempotency_is_true(self) -> None:
        """``key`` sends the same key again, ``echo`` our reference, ``lookup`` finds, ``none`` claims nothing."""
        claims = {"key": self._same_key, "lookup": self._looks_up, "echo": self._reference, "none": self._nothing}
        await claims[self.provider_class.idempotency]()

    async def _same_key(self) -> None:
        if self._speaks_no_http:
            async with self.opened("") as provider:
                first, again = await self.handed(provider), await self.handed(provider, sample_attempt(resent=True))
            assert isinstance(first, Receipt), f"a good hand-over gave {first!r}"
            assert first == again, "the same attempt gave another receipt"
            return
        async with FaultyServer(self.success) as server, self.opened(server.base_url) as provider:
            for attempt in (sample_attempt(), sample_attempt(number=1, resent=True), sample_attempt(2)):
                await self.handed(provider, attempt)
            keys = [self.key(each) for each in server.requests if self.submits(each)]
        assert keys, "nothing was submitted"
        assert all(keys), "idempotency is `key`, but a request bears none"
        assert keys[0] == keys[1], "the same attempt bears another key"
        assert keys[-1] != keys[0], "two attempts bear the same key"

    async def _reference(self) -> None:
        attempt = sample_attempt()
        if self._speaks_no_http:
            return
        async with FaultyServer(self.success) as server, self.opened(server.base_url) as provider:
            await self.handed(provider, attempt)
            wire = "\n".join(
                unquote_plus(f"{each.url} {dict(each.headers)} {each.body.decode('latin-1')}")
                for each in server.requests
            )
        told = [each for each in (attempt.id, attempt.id.replace("-", "")) if each in wire]
        assert told, "idempotency is `echo`, but our reference is not on the wire"

    async def _nothing(self) -> None:
        assert self.provider_class.lookup is Provider.lookup, "it has a lookup, but claims `none`"

    async def _looks_up(self) -> None:
        assert self.provider_class.lookup is not Provider.lookup, "idempotency is `lookup`, but there is none"
        if self._speaks_no_http:
            return
        attempt = sample_attempt()
        got = await self._asked(attempt, lambda request: self.found(request, attempt))
        assert isinstance(got, Receipt), f"the provider has it, and lookup gave {got!r}"
        got = await self._asked(attempt, self.absent)
        assert isinstance(got, Absent), f"the provider never got it, and lookup gave {got!r}"
        for trouble in _TROUBLES:
            got = await self._asked(attempt, lambda _, trouble=trouble: trouble)  # type: ignore[misc]
            assert isinstance(got, DeliveryError), f"{trouble}: lookup gave {got!r}; only a sure absence is one"

    async def _asked(self, attempt: Attempt, script: Script) -> Receipt | Absent | DeliveryError:
        """Lose the answer of a hand-over, then look the attempt up."""
        keep, submitted = FakeKeep(), 0
        async with FaultyServer(at_hand_over(self, Fault.RESET)) as server, self.opened(server.base_url) as provider:
            lost = await self.handed(provider, attempt, keep=keep)
            assert isinstance(lost, Unknown), f"a lost answer gave {lost!r}"
            submitted, server.script = len(server.requests), script
            try:
                async with asyncio.timeout(PATIENCE):
                    return await provider.lookup(attempt, self.address, keep)
            except DeliveryError as error:
                return error
            finally:
                again = [each for each in server.requests[submitted:] if self.submits(each)]
                assert not again, "a lookup handed the message over"
