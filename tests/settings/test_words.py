"""The errors of a plugin's Settings, worded by the core: keys and fixes, never values."""

from typing import Annotated, Literal

import pytest
from pydantic import Field, SecretStr, ValidationError, model_validator

from omnibus.provider import ProviderSettings
from omnibus.settings import describe_channel_errors, suggest


class Fax(ProviderSettings):
    token: SecretStr
    port: Annotated[int, Field(ge=1)] = 1
    from_: str = Field(default="", alias="from")
    mode: Literal["fast", "slow"] = "fast"
    senders: dict[str, int] = Field(default={})

    @model_validator(mode="after")
    def _fits(self):
        if self.from_ == "loud":
            raise ValueError(f"repeats {self.token.get_secret_value()}")
        if self.from_ == "nobody":
            raise ValueError("needs a sender")
        return self


KNOWN = [field.alias or name for name, field in Fax.model_fields.items()]

SAID = [
    ({"tokn": "geheim"}, "`token` is missing in [channels.fax]; add `token = …` there\nunknown key `tokn` in [channels.fax]; did you mean `token`?"),
    ({"token": "geheim", "zz": 1}, "unknown key `zz` in [channels.fax]; known are from, mode, port, senders, token"),
    ({"token": 5}, "`token` in [channels.fax] must be text"),
    ({"token": "geheim", "port": "geheim"}, "`port` in [channels.fax] must be a whole number"),
    ({"token": "geheim", "port": 0}, "`port` in [channels.fax] must be at least 1"),
    ({"token": "geheim", "mode": "geheim"}, '`mode` in [channels.fax] must be "fast" or "slow"'),
    ({"token": "geheim", "senders": {"a": "geheim"}}, "`senders.a` in [channels.fax] must be a whole number"),
    ({"token": "geheim", "senders": "geheim"}, "`senders` in [channels.fax] must be a table"),
    ({"token": "geheim", "from": "loud"}, "[channels.fax] does not fit"),
    ({"token": "geheim", "from": "nobody"}, "[channels.fax] needs a sender"),
]  # fmt: skip


@pytest.mark.parametrize(("table", "said"), SAID)
def test_plugin_errors(table, said):
    with pytest.raises(ValidationError) as caught:
        Fax.model_validate(table)
    text = str(describe_channel_errors("fax", caught.value, KNOWN))
    assert text == said
    assert "geheim" not in text


def test_the_one_from_the_brief():
    with pytest.raises(ValidationError) as caught:
        Fax.model_validate({"token": "x", "tokn": "y"})
    said = "unknown key `tokn` in [channels.sms]; did you mean `token`?"
    assert str(describe_channel_errors("sms", caught.value, KNOWN)) == said


def test_suggest():
    assert suggest("stroe", ["store", "key"]) == "did you mean `store`?"
    assert suggest("xyz", ["store", "key"]) == "known are key, store"
    assert suggest("xyz", []) == ""
