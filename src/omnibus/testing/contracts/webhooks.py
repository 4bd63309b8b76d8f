"""What every provider keeps of its webhooks: nobody else gets in, and nothing that gets in makes it fall over."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

from pydantic import ValidationError

from omnibus.errors import Forged, InputError
from omnibus.model.attempt import Report
from omnibus.model.event import EVENT_TYPES, Event
from omnibus.model.request import Request, Response
from omnibus.provider import Provider
from omnibus.testing.contracts.reading import refusal
from omnibus.testing.contracts.rubbish import FIXED, mutants
from omnibus.testing.contracts.subject import Subject

_ODD_VALUES = (
    "",
    "x",
    "é",
    "v1,!!!",
    "t=x,v1=y",
    "sha256=",
    "sha256=zz",
    "1" * 5_000,
    "\x00",
    "v1," + "A" * 44,
    "-1",
    "9e9",
)
_ENGAGED = {"delivered", "opened", "clicked", "replied", "bounced", "complained", "unsubscribed"}


class Webhooks(Subject):
    """Receive every case, signed, forged, stale, twice, and as rubbish.

    Args:
        folder: pairs ``<case>.body`` (raw) + ``<case>.json`` (the list of reports, see ``plain``).
        secret_field: the setting that holds the secret.
        signing: two secrets of the right form, as ``sign`` takes them; the first is the configured one.
    """

    folder: ClassVar[Path | None] = None
    secret_field: ClassVar[str] = "webhook_secret"  # noqa: S105 - a field's name
    signing: ClassVar[tuple[str, str]] = ("first-signing-secret-0001", "other-signing-secret-0002")

    def sign(self, body: bytes, secret: str) -> Request | None:
        """Make the request that the provider would send at ``self.clock.now()``; None when it cannot sign such a body."""
        raise AssertionError("override sign(), or say why there are no webhooks")

    def configured(self, *secrets: str) -> dict[str, Any]:
        """Give the settings under which exactly these secrets let in; none, one, or an old and a new one.

        Knows a field that takes a list, and a second field ``previous_<secret_field>``; else override it.
        """
        fields = self.provider_class.Settings.model_fields
        if len(secrets) < 2:
            return {self.secret_field: secrets[0] if secrets else None}
        if (previous := f"previous_{self.secret_field}") in fields:
            return {self.secret_field: secrets[1], previous: secrets[0]}
        annotation = repr(fields[self.secret_field].annotation).lower()
        assert "tuple" in annotation or "list" in annotation, "override configured(): how are two secrets given?"
        return {self.secret_field: list(secrets)}

    # ---- cases

    def test_each_case_gives_its_reports(self) -> None:
        """A body and what follows from it; at least one where something does, and one where nothing does."""
        if self._has_none:
            return
        cases = dict(self._cases())
        assert cases, f"no cases in {self.folder}"
        for name, (body, wanted) in cases.items():
            got = plain(self._received(self._open(), self._signed(body)))
            assert got == wanted, f"{name}: {json.dumps(got, indent=2)}\nis not\n{json.dumps(wanted, indent=2)}"
        assert any(wanted for _, wanted in cases.values()), "no case tells anything"
        nothing = [name for name, (_, wanted) in cases.items() if not wanted]
        assert nothing or "no-news" in self.without, "no case where nothing follows"

    def test_every_report_is_sound(self) -> None:
        """Known types, aware times, ids that differ, and something each report is about."""
        if self._has_none:
            return
        declared = {report for each in self._channels for report in each.capabilities.reports}
        for name, (body, _) in self._cases():
            told = self._received(self._open(), self._signed(body))
            _check(told, name)
            ids = [each.id for each in told]
            assert len(ids) == len(set(ids)), f"{name}: two reports with one id"
            said = {each.type.partition(".")[2] for each in told if each.type.startswith("message.")} & _ENGAGED
            assert said <= declared, f"{name}: {said - declared} is not in capabilities.reports"

    def test_the_same_webhook_has_the_same_ids(self) -> None:
        """A replay, by another instance and a little later, is the same fact."""
        if self._has_none:
            return
        for name, (body, _) in self._cases():
            first = [each.id for each in self._received(self._open(), self._signed(body))]
            self.clock.advance(timedelta(seconds=30))
            again = [each.id for each in self._received(self._open(), self._signed(body))]
            assert first == again, f"{name}: ids change from {first} to {again}"

    # ---- who gets in

    def test_only_the_owner_of_the_secret_gets_in(self) -> None:
        """Another secret, no signature, another body: all are forged, and none is parsed."""
        if self._has_none:
            return
        for name, (body, _) in self._cases():
            good = self._signed(body)
            bare = replace(good, headers=_only_type(good), url=good.url.partition("?")[0])
            forged = {"another secret": self._signed(body, self.signing[1]), "no signature": bare}
            if "signature" not in self.without:
                more = b"&forged=1" if b"=" in body and not body.lstrip().startswith((b"{", b"[", b"<")) else b" "
                forged["another body"] = replace(good, body=body + more)
                forged["rubbish body"] = replace(good, body=b"\xff{")
            for how, request in forged.items():
                assert self._is_forged(self._open(), request), f"{name}: let in with {how}"

    def test_without_a_secret_nobody_gets_in(self) -> None:
        """No secret configured fails closed."""
        if self._has_none:
            return
        try:
            provider = self.provider(**self.configured())
        except ValidationError:
            return
        for _, (body, _) in self._cases():
            for secret in (*self.signing, ""):
                request = self._maybe(body, secret)
                assert request is None or self._is_forged(provider, request), (
                    "no secret is configured, and anybody gets in"
                )

    def test_odd_headers_are_forged_and_nothing_worse(self) -> None:
        """A signature header of any shape gets in or is forged; no other error comes out."""
        if self._has_none:
            return
        provider = self._open()
        for name, (body, _) in self._cases():
            good = self._signed(body)
            for header in set(good.headers) - {"content-type", "content-length", "host"}:
                gone = {key: value for key, value in good.headers.items() if key != header}
                for headers in (gone, *({**gone, header: odd} for odd in _ODD_VALUES)):
                    self._outcome(
                        provider, replace(good, headers=headers), f"{name}: header {header}={headers.get(header)!r:.40}"
                    )

    def test_old_and_future_webhooks_are_stale(self) -> None:
        """Where the scheme has a timestamp, an hour is too far either way, and a minute is not."""
        if self._has_none or "timestamp" in self.without:
            return
        body = next(body for _, (body, _) in self._cases())
        for hours in (1, -1):
            request = self._signed(body)
            self.clock.set(self.clock.now() + timedelta(hours=hours))
            assert self._is_forged(self._open(), request), f"{hours:+} h: a stale webhook gets in"
        request = self._signed(body)
        self.clock.advance(timedelta(minutes=1))
        assert not self._is_forged(self._open(), request), "a minute is not stale"

    def test_two_secrets_live_during_rotation(self) -> None:
        """The old and the new secret both let in; a third does not."""
        if self._has_none or "rotation" in self.without:
            return
        old, new = self.signing
        body = next(body for _, (body, _) in self._cases())
        both, one = self.provider(**self.configured(old, new)), self.provider(**self.configured(new))
        assert not self._is_forged(both, self._signed(body, old)), "the old secret is refused during rotation"
        assert not self._is_forged(both, self._signed(body, new)), "the new secret is refused during rotation"
        assert self._is_forged(one, self._signed(body, old)), "the old secret still lets in after rotation"

    # ---- what gets in

    def test_signed_rubbish_is_survived(self) -> None:
        """Whatever the body is, a verified one gives reports or an InputError, and every report is sound."""
        if self._has_none:
            return
        tried, provider = 0, self._open()
        bodies = [("fixed", each) for each in FIXED]
        bodies += [(name, each) for name, (body, _) in self._cases() for each in mutants(body)]
        for name, body in bodies:
            request = self._maybe(body, self.signing[0])
            if request is not None:
                self._outcome(provider, request, f"{name}: {body[:200]!r}")
                tried += 1
        assert tried, "sign() signed no rubbish, so the parser was never tried"

    def test_a_handshake_never_falls_over(self) -> None:
        """``challenge`` answers, or says that this is none; whatever it is asked."""
        provider = self._open()
        for query in (
            "",
            "?crc_token=x",
            "?hub.mode=subscribe&hub.challenge=1&hub.verify_token=wrong",
            "?x=%ff",
            "?a&a=&=b",
        ):
            for method in ("GET", "POST", "PUT"):
                for body in (b"", b"{}", b"\xff", b'{"type":"url_verification"}'):
                    request = Request(method, f"{self.hook_url}{query}", {"content-type": "application/json"}, body)
                    try:
                        answer = provider.challenge(request)
                    except (Forged, InputError):
                        continue
                    assert answer is None or isinstance(answer, Response)

    def test_a_provider_without_webhooks_takes_none(self) -> None:
        """Who declares no webhooks lets nobody in."""
        if self._has_none:
            assert self._is_forged(self.provider(), Request("POST", self.hook_url, {}, b"{}")), "it takes webhooks"

    # ---- inside

    @property
    def _has_none(self) -> bool:
        return "webhooks" in self.without

    def _cases(self) -> Iterator[tuple[str, tuple[bytes, Any]]]:
        assert self.folder is not None, "give `folder`, or say why there are no webhooks"
        for path in sorted(self.folder.glob("*.body")):
            wanted = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
            yield path.stem, (path.read_bytes(), wanted)

    def _open(self) -> Provider:
        return self.provider() if self._has_none else self.provider(**self.configured(self.signing[0]))

    def _signed(self, body: bytes, secret: str | None = None) -> Request:
        request = self.sign(body, self.signing[0] if secret is None else secret)
        assert request is not None, "sign() must be able to sign a case"
        return request

    def _maybe(self, body: bytes, secret: str) -> Request | None:
        return self.sign(body, secret)

    def _received(self, provider: Provider, request: Request) -> Sequence[Report | Event]:
        return provider.receive(request)

    def _is_forged(self, provider: Provider, request: Request) -> bool:
        return refusal(lambda: provider.receive(request), Forged) is not None

    def _outcome(self, provider: Provider, request: Request, what: str) -> None:
        try:
            told = provider.receive(request)
        except (Forged, InputError):
            return
        except Exception as error:
            raise AssertionError(f"{what} lets {type(error).__name__} escape: {error}") from error
        _check(told, what)


def plain(reports: Sequence[Report | Event]) -> list[dict[str, Any]]:
    """Write reports as a case's ``.json`` holds them: field → JSON value, empty ones left out, times in ISO 8601."""
    made = []
    for each in reports:
        names: tuple[str, ...] = ("id", "type", "at", "attempt", "provider_id", "identity", "data")
        if isinstance(each, Event):
            names = ("id", "source", "type", "time", "subject", "data")
        fields = {name: getattr(each, name) for name in names}
        made.append(json.loads(json.dumps({k: v for k, v in fields.items() if v}, default=_iso)))
    return made


def _iso(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else dict(value)


def _check(told: Any, what: str) -> None:
    assert isinstance(told, Sequence), f"{what}: not a sequence of reports"
    nouns = {each.partition(".")[0] for each in EVENT_TYPES}
    for each in told:
        assert isinstance(each, (Report, Event)), f"{what}: {type(each).__name__} is no report"
        assert isinstance(each.id, str), f"{what}: an id is a text"
        assert each.id, f"{what}: an empty id"
        own = "." in each.type and each.type.partition(".")[0] not in nouns
        assert each.type in EVENT_TYPES or own, f"{what}: unknown type {each.type}"
        at = each.at if isinstance(each, Report) else each.time
        assert at.tzinfo is not None, f"{what}: a naive time"
        if isinstance(each, Report):
            assert each.attempt or each.provider_id or each.identity, f"{what}: a report about nothing"
            for ref in (each.attempt, each.provider_id, *(each.identity or ())):
                assert ref is None or isinstance(ref, str), f"{what}: a reference that is no text"
        json.dumps(dict(each.data))


def _only_type(request: Request) -> dict[str, str]:
    return {name: value for name, value in request.headers.items() if name == "content-type"}
