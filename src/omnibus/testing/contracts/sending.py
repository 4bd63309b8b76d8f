"""What every provider keeps when it hands over: the four errors, the deadline, silence about secrets."""

from __future__ import annotations

import asyncio
import json
import traceback
from collections.abc import Iterable
from typing import Any

from omnibus.errors import DeliveryError, OmnibusError, TryLater, Unknown
from omnibus.model.attempt import Receipt
from omnibus.provider import Provider
from omnibus.testing.contracts.reading import listening
from omnibus.testing.contracts.rubbish import mutants
from omnibus.testing.contracts.subject import CLOSED, PATIENCE, STATUSES, Subject, at_hand_over, before_hand_over
from omnibus.testing.drafts import sample_attempt
from omnibus.testing.fakes import FakeKeep
from omnibus.testing.faults import Fault, FaultyServer, Reply

_ERROR_BODIES = (
    b"", b"<html>Bad</html>", b"{}", b"[]", b"null", b'"no"', b'{"error": 5}', b'{"error": null}', b'{"errors": [null]}',
    b'{"errors": "x"}', b'{"code": {}}', b'{"message": []}', b"{",
)  # fmt: skip
_RUBBISH = (b"<html>OK</html>", b"", b"null", b"[]", b'"ok"', b"1", b'{"id": "1"', b"\xff\xfe")


class Sending(Subject):
    """Try every way in which a hand-over can go."""

    # ---- the good way

    async def test_a_good_answer_gives_a_receipt(self) -> None:
        """A success is a receipt with plain values; before it, no connection was opened."""
        if self._speaks_no_http:
            return
        async with FaultyServer(self.success) as server, self.opened(server.base_url) as provider:
            await asyncio.sleep(0)
            assert server.connections == 0, "a connection before the first call"
            receipt = await self.handed(provider)
            assert isinstance(receipt, Receipt), f"a good answer gave {receipt!r}"
            assert receipt.provider_id is None or (isinstance(receipt.provider_id, str) and receipt.provider_id)
            json.dumps(dict(receipt.details))
            assert any(self.submits(each) for each in server.requests), "nothing was submitted"

    # ---- the bad ways

    async def test_a_lost_answer_is_unknown(self) -> None:
        """Closed, reset, cut, garbage or endless: it may have arrived. Nobody there: it surely did not."""
        if "network" in self.without:
            return
        tried = 0
        for fault in self.faults:
            if fault in {Fault.HANG, Fault.DRIP}:
                continue
            async with self.faulty(fault) as provider:
                got = await self.handed(provider)
            meant = self.meanings.get(fault, TryLater if fault is Fault.REFUSED else Unknown)
            assert isinstance(got, meant), f"{fault}: {got!r}, not {meant.__name__}"
            tried += 1
        assert tried, "no fault was tried"

    async def test_the_deadline_is_obeyed_and_a_timeout_is_unknown(self) -> None:
        """No answer, or a byte now and then: the attempt ends by its deadline, as Unknown."""
        if "network" in self.without:
            return
        for fault in {Fault.HANG, Fault.DRIP} & set(self.faults):
            async with self.faulty(fault) as provider:
                got = await self.handed(provider, sample_attempt(deadline=0.4))
            meant = self.meanings.get(fault, Unknown)
            assert isinstance(got, meant), f"{fault}: {got!r}, not {meant.__name__}"

    async def test_cancelling_is_not_swallowed(self) -> None:
        """A worker that stops can stop."""
        if "network" in self.without or Fault.HANG not in self.faults:
            return
        async with self.faulty(Fault.HANG) as provider:
            sending = provider.send(self.content(), self.address, sample_attempt(), FakeKeep())
            task = asyncio.ensure_future(sending)
            await asyncio.sleep(0.05)
            task.cancel()
            await asyncio.wait({task}, timeout=PATIENCE)
        assert task.cancelled(), "an adapter swallows its cancellation"

    async def test_each_status_has_its_answer(self) -> None:
        """Every status, whatever its body says, is one of the four errors, and the right one."""
        if self._speaks_no_http:
            return
        for status, usual in STATUSES.items():
            meant = (self.answers[status],) if status in self.answers else usual
            for body in _ERROR_BODIES if status in {400, 429, 500} else _ERROR_BODIES[:3]:
                got = await self._told(Reply(status, body, {"content-type": "application/json"}))
                names = " or ".join(each.__name__ for each in meant)
                assert isinstance(got, meant), f"{status} with {body!r}: {got!r}, not {names}"
                if status == 401 and isinstance(got, DeliveryError):
                    assert got.account, "401 is the account's fault: say account=True"

    async def test_a_rate_limit_tells_when(self) -> None:
        """429 is never for good, Retry-After is obeyed, and an absurd one is cut."""
        if self._speaks_no_http:
            return
        cases = {
            "7": (7, 7),
            "0": (0, 0),
            "99999999999": (0, 86_400),
            "-5": (0, 0),
            "soon": None,
            "nan": None,
            "": None,
        }
        for value, allowed in cases.items():
            got = await self._told(Reply.of_json({}, 429, retry_after=value))
            assert isinstance(got, TryLater), f"429 gave {got!r}"
            after = got.retry_after
            if allowed and (allowed[0] == 7 or after is not None):
                assert after is not None, "Retry-After is not obeyed"
                assert allowed[0] <= after <= allowed[1], f"Retry-After {value}: {after}"
            assert after is None or 0 <= after <= 86_400, f"Retry-After {value}: {after}"

    async def test_rubbish_with_200_is_unknown(self) -> None:
        """An unreadable success was probably one; and no odd value makes the adapter fall over."""
        if self._speaks_no_http:
            return
        for body in () if "json" in self.without else _RUBBISH:
            got = await self._told(Reply(200, body, {"content-type": "application/json"}))
            assert isinstance(got, Unknown), f"200 with {body!r}: {got!r}, not Unknown"
        good = b""
        async with FaultyServer(self.success) as server, self.opened(server.base_url) as provider:
            await self.handed(provider)
            good = next((self.success(each).body for each in server.requests if self.submits(each)), b"")
        for body in mutants(good, limit=60):
            await self._told(Reply(200, body, {"content-type": "application/json"}))

    async def test_redirects_are_never_followed(self) -> None:
        """A redirect would send the message twice, or to a stranger."""
        if self._speaks_no_http:
            return
        for status in (301, 302, 303, 307, 308):
            async with FaultyServer(self.success) as elsewhere:
                got = await self._told(Reply(status, b"", {"location": f"{elsewhere.base_url}/elsewhere"}))
                assert not elsewhere.requests, f"{status} was followed"
            assert isinstance(got, DeliveryError), f"{status} gave {got!r}"

    async def test_trouble_before_the_hand_over_keeps_to_the_four_errors(self) -> None:
        """A token that cannot be fetched or an upload that fails is no surprise either."""
        if self._speaks_no_http:
            return
        async with FaultyServer(self.success) as server, self.opened(server.base_url) as provider:
            await self.handed(provider)
            steps = [each for each in server.requests if not self.submits(each)]
        troubles: list[Reply | Fault] = [
            Reply(500),
            Reply(401),
            Reply(429),
            Reply.of_json([]),
            Fault.RESET,
            Fault.GARBAGE,
        ]
        for trouble in troubles if steps else []:
            async with (
                FaultyServer(before_hand_over(self, trouble)) as server,
                self.opened(server.base_url) as provider,
            ):
                got = await self.handed(provider)
            assert isinstance(got, (DeliveryError, Receipt)), f"{trouble}: {got!r}"

    async def test_an_address_becomes_no_header(self) -> None:
        """Line ends in an address reach nobody."""
        if self._speaks_no_http or "identity" in self.without:
            return
        async with FaultyServer(self.success) as server, self.opened(server.base_url) as provider:
            await self.handed(provider, address=f"{self.address}\r\nX-Omnibus-Injected: yes")
            assert not [each for each in server.requests if "x-omnibus-injected" in each.headers], (
                "a header was injected"
            )

    async def test_errors_and_logs_keep_quiet(self) -> None:
        """No secret, address or word of the message stands in an error, its traceback or a log line."""
        if "network" in self.without:
            return
        ways: Iterable[Any] = (Fault.REFUSED, Fault.CLOSED) if self._speaks_no_http else (
            Fault.REFUSED, Fault.RESET, Fault.GARBAGE, Reply(400, self._echo()), Reply(401, self._echo()),
            Reply(500, self._echo()), Reply(429, self._echo()), Reply(200, b"<html>"),
        )  # fmt: skip
        hidden = [*self._secrets(self.provider()), *filter(None, [self.address]), self.content().text]
        for way in ways:
            with listening() as heard:
                got = await self._told(way) if isinstance(way, Reply) else await self._met(way)
            shown = [*heard]
            if isinstance(got, DeliveryError):
                shown += [str(got), got.reason, "".join(traceback.format_exception(got))]
            told = [each for each in shown for secret in hidden if secret and secret in each]
            assert not told, f"{way}: an error or a log line shows a secret, an address or a text"

    # ---- the end

    async def test_it_closes_twice_and_sends_nothing_afterwards(self) -> None:
        """``aclose`` may be called twice, and before anything was sent; then every hand-over is refused."""
        idle = self.provider()
        await idle.aclose()
        await idle.aclose()
        if self._speaks_no_http:
            return
        async with FaultyServer(self.success) as server:
            provider = self.provider(server.base_url)
            await self.handed(provider)
            await provider.aclose()
            await provider.aclose()
            before = len(server.requests)
            got = await self.handed(provider, sample_attempt(2))
            assert isinstance(got, DeliveryError), "it sends after aclose"
            assert len(server.requests) == before, "it talks after aclose"

    async def test_a_check_finds_what_is_wrong(self) -> None:
        """`omnibus doctor` learns of a dead line and of a refused key."""
        if self.provider_class.check is Provider.check or "network" in self.without:
            return
        async with self.opened(CLOSED) as provider:
            error = await _raised(provider)
        assert isinstance(error, OmnibusError), f"nobody answers, and check() gave {error!r}"
        if not self._speaks_no_http:
            async with (
                FaultyServer(lambda _: Reply.of_json({}, 401)) as server,
                self.opened(server.base_url) as provider,
            ):
                error = await _raised(provider)
                assert isinstance(error, OmnibusError), f"401, and check() gave {error!r}"

    # ---- inside

    async def _told(self, reply: Reply) -> Receipt | DeliveryError:
        async with FaultyServer(at_hand_over(self, reply)) as server, self.opened(server.base_url) as provider:
            return await self.handed(provider)

    async def _met(self, fault: Fault) -> Receipt | DeliveryError | None:
        if fault not in self.faults:
            return None
        async with self.faulty(fault) as provider:
            return await self.handed(provider)

    def _echo(self) -> bytes:
        """Write an error body that quotes everything, as careless providers do."""
        secrets = self._secrets(self.provider())
        told = f"no: {self.address} {self.content().text} {' '.join(secrets)}"
        return json.dumps({"message": told, "error": {"message": told}, "code": 99_999}).encode()


async def _raised(provider: Provider) -> BaseException | None:
    try:
        await provider.check()
    except Exception as error:  # noqa: BLE001 - the test judges it
        return error
    return None
