"""Signed links: unsubscribe, click, open."""
