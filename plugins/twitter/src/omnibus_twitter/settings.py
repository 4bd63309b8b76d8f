"""What provider ``x`` reads from its DSN and its TOML table."""

from __future__ import annotations

from typing import Self

from pydantic import AliasChoices, Field, SecretStr, model_validator

from omnibus import ProviderSettings

API = "https://api.x.com"


class XSettings(ProviderSettings):
    """Hold the account. With ``access_token_secret`` it signs by OAuth 1.0a, without by OAuth 2.

    Args:
        consumer_key: the app's API key (user of the DSN).
        consumer_secret: the app's API secret (password of the DSN); webhooks are signed with it, too.
        previous_consumer_secret: the one before, still accepted on webhooks while keys are rotated.
        access_token: the account's token, of either kind.
        access_token_secret: for OAuth 1.0a.
        client_id, client_secret, refresh_token: for OAuth 2; the pair that X rotates is kept in the store.
        user_id: the account's own numeric id.
        handle: its public name, without ``@``; names the account in limits and links.
        base_url: of the API, for proxies and sandboxes; ``host`` and ``port`` of a DSN say the same.
        consistent_after: seconds after which an absent post is believed to be absent.
    """

    consumer_key: str = Field("", validation_alias=AliasChoices("consumer_key", "user"))
    consumer_secret: SecretStr = Field(SecretStr(""), validation_alias=AliasChoices("consumer_secret", "password"))
    previous_consumer_secret: SecretStr = SecretStr("")
    access_token: SecretStr
    access_token_secret: SecretStr = SecretStr("")
    client_id: str = ""
    client_secret: SecretStr = SecretStr("")
    refresh_token: SecretStr = SecretStr("")
    user_id: str = Field(pattern=r"^[0-9]{1,19}$")
    handle: str = Field("", pattern=r"^@?[A-Za-z0-9_]{0,15}$")
    base_url: str = Field("", pattern=r"^(https?://[^\s/?#]+(/[^\s?#]*)?)?$")
    host: str = ""
    port: str = ""
    consistent_after: float = Field(20, ge=0)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.access_token_secret.get_secret_value() and not (
            self.consumer_key and self.consumer_secret.get_secret_value()
        ):
            raise ValueError("OAuth 1.0a needs consumer_key and consumer_secret beside access_token_secret")
        if self.refresh_token.get_secret_value() and not self.client_id:
            raise ValueError("refresh_token needs client_id")
        return self

    @property
    def url(self) -> str:
        """Give the API's base URL without a slash at its end."""
        if self.base_url:
            return self.base_url.rstrip("/")
        return f"https://{self.host}{f':{self.port}' if self.port else ''}" if self.host else API

    @property
    def signs(self) -> bool:
        """Tell whether calls are signed by OAuth 1.0a."""
        return bool(self.access_token_secret.get_secret_value())

    @property
    def secrets(self) -> tuple[str, ...]:
        """List the live consumer secrets for webhooks, the current one first; none when none is configured."""
        both = (self.consumer_secret.get_secret_value(), self.previous_consumer_secret.get_secret_value())
        return tuple(filter(None, both))
