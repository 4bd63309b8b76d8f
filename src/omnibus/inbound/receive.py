"""RECEIVE: a webhook in, an answer out; 2xx only after what it said is durable and folded."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from omnibus.errors import Conflict, Forged, InputError, NotFound, StoreFull, TryLater
from omnibus.inbound.inbox import Inbox
from omnibus.model.request import Request, Response
from omnibus.provider import Provider

_log = logging.getLogger("omnibus")

MAX_BODY = 5_000_000  # bytes; mail with attachments is the largest that comes in by webhook


async def receive(  # noqa: PLR0911 - one return per answer of the table below
    inbox: Inbox, providers: Mapping[tuple[str, str], Provider], channel: str, scheme: str, request: Request
) -> Response:
    """Answer one webhook of a provider; fails closed.

    404 no such provider · 200 challenge answered · 401 forged · 400 verified but unreadable · 413 too big ·
    503 with Retry-After not now · 204 stored and folded. Of several facts each is for itself: with 400 and 503
    the others are stored, and a repeat of them changes nothing.
    """
    provider = providers.get((channel, scheme))
    if provider is None:
        return Response.of_text("no such provider is enabled", 404)
    if len(request.body) > MAX_BODY:
        return Response.of_text("the body is too big", 413)
    try:
        answer = provider.challenge(request)
        if answer is not None:
            return answer
        await inbox.take(f"{channel}/{scheme}", provider.receive(request))
    except Forged as error:
        return Response.of_text(str(error), 401)
    except TryLater as error:
        return Response(503, error.reason.encode(), {"retry-after": str(int(error.retry_after or 30))})
    except (StoreFull, Conflict) as error:
        return Response(503, str(error).encode(), {"retry-after": "30"})
    except (InputError, NotFound) as error:
        _log.warning("a webhook of %s/%s tells what cannot be read: %s", channel, scheme, error)
        return Response.of_text(str(error), 400)
    return Response(204)
