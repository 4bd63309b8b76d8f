"""Omnibus on X (Twitter): public posts and direct messages."""

from __future__ import annotations

from typing import Any

from omnibus import hookimpl
from omnibus_twitter.channel import Direct, Post, TwitterSettings
from omnibus_twitter.contents import DirectContent, PostContent
from omnibus_twitter.facet import Twitter
from omnibus_twitter.login import x_login
from omnibus_twitter.x import X

__all__ = ["Direct", "DirectContent", "Post", "PostContent", "Twitter", "TwitterSettings", "X"]


@hookimpl
def omnibus_register(register: Any) -> None:
    """Bring both channels, their provider, the facet of what people did on X, and a command to log in."""
    register(Post, Direct, X, Twitter, x_login)


@hookimpl
def omnibus_sandbox(register: Any) -> None:
    """Bring X's side of the wire."""
    from omnibus_twitter.sandbox import XSandbox  # noqa: PLC0415 - the sandbox's server is not needed in production

    register(XSandbox)
