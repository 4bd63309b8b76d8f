"""What every provider says of itself, truly and without giving anything away."""

from __future__ import annotations

import re
from typing import Any

from pydantic import SecretStr, ValidationError

from omnibus.channel import Channel
from omnibus.provider import Provider, ProviderSettings
from omnibus.testing.contracts.reading import refusal
from omnibus.testing.contracts.subject import Subject

_CANARY = "c4n4ry-v4lue"
_SECRET_NAME = re.compile(r"(^|_)(password|secret|token|api_key|private_key|auth_token|signing_key)s?$")


class Declaring(Subject):
    """Look at the class, its settings and what is printed of it."""

    def test_it_declares_itself_truly(self) -> None:
        """Scheme, channel, idempotency and exemptions make sense, and the final methods are the port's."""
        cls = self.provider_class
        assert re.fullmatch(r"[a-z][a-z0-9+.-]*", cls.scheme), "the scheme begins a DSN"
        assert self._channels, "it carries a channel"
        assert all(issubclass(each, Channel) for each in self._channels), "it carries channels"
        assert cls.idempotency in {"key", "lookup", "echo", "none"}
        assert cls.key_window >= 0, "seconds"
        assert cls.max_in_flight > 0
        assert cls.send is Provider.send, "send is final"
        assert cls.receive is Provider.receive, "receive is final: verify, then parse"
        unknown = set(self.without) - self.knows
        assert not unknown, f"nothing to do without: {unknown}"
        assert all(self.without.values()), "an exemption says why"
        assert not self.meanings or self._speaks_no_http, "what a fault means over HTTP is fixed"

    def test_withdraw_is_there_where_the_channel_says_so(self) -> None:
        """The capability ``withdraw`` does not lie."""
        if any(each.capabilities.withdraw for each in self._channels):
            assert self.provider_class.withdraw is not Provider.withdraw, "capabilities.withdraw, but no withdraw()"

    def test_settings_name_fields_and_never_values(self) -> None:
        """A settings error quotes no value, least of all a secret."""
        cls = self.provider_class.Settings
        assert issubclass(cls, ProviderSettings)
        secrets = self._secrets(self.provider())
        tables: list[dict[str, Any]] = [{**self.settings, "nonsense": _CANARY}]
        tables += [{**self.settings, name: {_CANARY: [_CANARY]}} for name in self.settings]
        for table in tables:
            error = refusal(lambda table=table: cls.model_validate(table), ValidationError)  # type: ignore[misc]
            assert error or "nonsense" not in table, "an unknown key is accepted"
            told = [each for each in (_CANARY, *secrets) if error and each in str(error)]
            assert not told, "a settings error shows a value; set hide_input_in_errors"

    def test_secrets_are_secret_fields(self) -> None:
        """A field that is called a secret is a ``SecretStr``, so that no repr shows it."""
        for name, field in self.provider_class.Settings.model_fields.items():
            if _SECRET_NAME.search(name):
                assert SecretStr.__name__ in repr(field.annotation), f"{name} is no SecretStr"

    async def test_str_is_a_dsn_without_secrets_and_addresses(self) -> None:
        """What is logged of a provider gives nothing away."""
        provider = self.provider()
        assert str(provider).startswith(f"{provider.scheme}://"), "str(provider) is a DSN"
        for shown in (str(provider), repr(provider), repr(provider.settings), provider.account):
            for hidden in (*self._secrets(provider), *filter(None, [self.address])):
                assert hidden not in shown, "str() or repr() shows a secret or an address"
        await provider.aclose()
