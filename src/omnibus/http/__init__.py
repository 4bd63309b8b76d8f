"""The one HTTP seam: client, total deadlines, the guard for strangers' URLs, one map from answers to errors.

Only this package imports httpx and aiohttp's client. Providers build one ``Client`` per account, lazily, and close
it in ``aclose``. Next: ``client.py``.
"""

from omnibus.http.answer import MAX_BODY, MAX_RETRY_AFTER, Answer, error_for
from omnibus.http.client import Client
from omnibus.http.guard import is_public, vet

__all__ = ["MAX_BODY", "MAX_RETRY_AFTER", "Answer", "Client", "error_for", "is_public", "vet"]
