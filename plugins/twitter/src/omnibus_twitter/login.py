"""Get the first OAuth 2 token pair of an account: `omnibus x-login` (authorization code with PKCE).

Sources: RFC 7636 §4 · https://docs.x.com/fundamentals/authentication/oauth-2-0/user-access-token
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode, urlsplit

import click

from omnibus import OmnibusError, Refused
from omnibus.http import Client
from omnibus_twitter.settings import API

AUTHORIZE = "https://x.com/i/oauth2/authorize"
#: read and write posts and direct messages, upload pictures, and a refresh token
SCOPES = "tweet.read tweet.write users.read media.write dm.read dm.write offline.access"


@dataclass(frozen=True, slots=True)
class Login:
    """Hold one log-in on its way through the browser.

    Args:
        verifier: 43 to 128 unreserved characters that only we know.
        state: comes back unchanged, or the answer is not ours.
    """

    client_id: str
    redirect: str
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48), repr=False)
    state: str = field(default_factory=lambda: secrets.token_urlsafe(16), repr=False)

    def url(self, authorize: str = AUTHORIZE) -> str:
        """Give the address to open in a browser that is logged in as the account."""
        asked = {
            "response_type": "code", "client_id": self.client_id, "redirect_uri": self.redirect, "scope": SCOPES,
            "state": self.state, "code_challenge": challenge(self.verifier), "code_challenge_method": "S256",
        }  # fmt: skip
        return f"{authorize}?{urlencode(asked)}"

    def code(self, answer: str) -> str:
        """Read the code from the address that the browser was sent to.

        Raises:
            Refused: the account said no, or the answer belongs to another log-in.
        """
        told = dict(parse_qsl(urlsplit(answer.strip()).query))
        if told.get("state") != self.state:
            raise Refused("this address belongs to another log-in")
        if not told.get("code"):
            raise Refused(told.get("error", "no code"))
        return told["code"]

    async def exchange(self, code: str, secret: str, base_url: str) -> dict[str, str]:
        """Trade the code for ``access_token`` and ``refresh_token``.

        Raises:
            TryLater, Refused, Unknown: X did not give them.
        """
        form = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": self.redirect, "client_id": self.client_id,
            "code_verifier": self.verifier,
        }  # fmt: skip
        client = Client(base_url)
        auth = (self.client_id, secret) if secret else None
        try:
            answer = await client.request("POST", "/2/oauth2/token", data=form, auth=auth)
            told = answer.json()
        finally:
            await client.aclose()
        names = ("access_token", "refresh_token")
        if not answer.ok or not isinstance(told, dict) or not all(isinstance(told.get(each), str) for each in names):
            raise Refused(f"http_{answer.status}")
        return {name: told[name] for name in names}


def challenge(verifier: str) -> str:
    """Hash a verifier as S256 says (RFC 7636 §4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


@click.command("x-login")
@click.option("--client-id", required=True, help="OAuth 2 client id of the app.")
@click.option(
    "--client-secret", default="", envvar="X_CLIENT_SECRET", help="Of a confidential app; better by X_CLIENT_SECRET."
)
@click.option(
    "--redirect", default="http://127.0.0.1/callback", show_default=True, help="A callback address of the app."
)
@click.option("--base-url", default=API, show_default=True, help="Of the API.")
@click.option("--authorize-url", default=AUTHORIZE, show_default=True, help="Where the account agrees.")
def x_login(client_id: str, client_secret: str, redirect: str, base_url: str, authorize_url: str) -> None:
    """Log in to X by OAuth 2 and print the first token pair for the secret store.

    Example: omnibus x-login --client-id abc123
    """
    login = Login(client_id, redirect)
    click.echo(
        f"Open this address in a browser that is logged in as the account:\n\n{login.url(authorize_url)}\n", err=True
    )
    answer = click.prompt("The address it sent you to", err=True)
    try:
        told = asyncio.run(login.exchange(login.code(answer), client_secret, base_url))
    except OmnibusError as error:
        raise click.ClickException(f"X gave no tokens: {error}; run the command again, codes live 30 seconds") from None
    click.echo(f"X_ACCESS_TOKEN={told['access_token']}\nX_REFRESH_TOKEN={told['refresh_token']}")
    click.echo('\nRefer to them: access_token = "env:X_ACCESS_TOKEN", refresh_token = "env:X_REFRESH_TOKEN".', err=True)
