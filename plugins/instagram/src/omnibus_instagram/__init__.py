"""The Instagram channels of Omnibus: posts and stories for everybody, direct messages for one person."""

from collections.abc import Callable

from omnibus import Endpoint, hookimpl
from omnibus_instagram.direct import Direct, DirectContent
from omnibus_instagram.graph import Graph
from omnibus_instagram.post import PostContent, Posts
from omnibus_instagram.shelf import serve
from omnibus_instagram.thread import Thread
from omnibus_instagram.windows import Window

__all__ = ["Direct", "DirectContent", "Graph", "PostContent", "Posts", "Thread", "Window"]


@hookimpl
def omnibus_register(register: Callable[..., None]) -> None:
    """Bring both channels, the provider, facet and policy of the windows, and the shelf's route."""
    register(Posts, Direct, Graph, Thread, Window, Endpoint("instagram", "GET", "/media/{name}", serve))


@hookimpl
def omnibus_sandbox(register: Callable[..., None]) -> None:
    """Bring Meta's side of the wire."""
    from omnibus_instagram.sandbox import GraphSandbox  # noqa: PLC0415 - not loaded in production

    register(GraphSandbox)
