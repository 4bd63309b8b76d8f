"""X's OAuth 2 side: the page on which an account agrees, and tokens that rotate; for the sandbox only."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

from omnibus import Request, Response

LIFE = 7_200  # seconds an access token lives


class Door:
    """Let in who holds the present access token; the pair rotates with each refresh and survives a restart."""

    def __init__(self, path: Path, new_id: Callable[[], str]) -> None:
        self._path, self._new_id = path, new_id
        self._agreed: dict[str, dict[str, str]] = {}
        self.tokens: dict[str, str] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    def lets_in(self, bearer: str) -> bool:
        """Tell whether this is the present access token."""
        return bool(self.tokens) and bearer == self.tokens["access"]

    def rotate(self) -> dict[str, str]:
        """Make a new pair, the old one ends at once; returns ``{"access", "refresh"}``."""
        number = self._new_id()
        self.tokens = {"access": f"access-{number}", "refresh": f"refresh-{number}"}
        self._path.write_text(json.dumps(self.tokens), encoding="utf-8")
        return self.tokens

    def authorize(self, url: str) -> str:
        """Agree as the account would in the browser; returns the address that it is sent to.

        Raises:
            ValueError: X would show an error page instead.
        """
        asked = dict(parse_qsl(urlsplit(url).query))
        needed = {"client_id", "redirect_uri", "scope", "state", "code_challenge"}
        if (
            asked.get("response_type") != "code"
            or asked.get("code_challenge_method") != "S256"
            or needed - asked.keys()
        ):
            raise ValueError("Something went wrong: you weren't able to give access to the App.")
        code = f"code-{self._new_id()}"
        self._agreed[code] = asked
        return f"{asked['redirect_uri']}?{urlencode({'state': asked['state'], 'code': code})}"

    def token(self, request: Request) -> Response:
        """Answer ``POST /2/oauth2/token``: a code with its verifier, or the present refresh token, once each."""
        form = dict(request.form)
        if not self._granted(form):
            told = {"error": "invalid_request", "error_description": "Value passed for the token was invalid."}
            return Response.of_json(told, 400)
        pair = self.rotate()
        told_pair = {"access_token": pair["access"], "refresh_token": pair["refresh"]}
        return Response.of_json({"token_type": "bearer", "expires_in": LIFE, **told_pair})

    def _granted(self, form: dict[str, str]) -> bool:
        if form.get("grant_type") == "refresh_token":
            return (
                bool(self.tokens)
                and form.get("refresh_token") == self.tokens["refresh"]
                and bool(form.get("client_id"))
            )
        asked = self._agreed.pop(form.get("code", ""), None)
        if form.get("grant_type") != "authorization_code" or asked is None:
            return False
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        same = all(form.get(name) == asked[name] for name in ("client_id", "redirect_uri"))
        return same and base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == asked["code_challenge"]
