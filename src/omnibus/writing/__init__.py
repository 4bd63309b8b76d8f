"""What the brand's people write: brand, messages and journeys read from files, and drafts made of them.

``brand.py`` and ``messages.py`` and ``journeys.py`` read and check files; ``drafts.py`` renders a message for one
person, part by part (``parts.py``); ``templates.py`` and ``sandbox.py`` hold what values pass through; ``prose.py``
turns Markdown into plain pieces and ``shapes.py`` cuts them where values belong.
"""

from omnibus.writing.brand import read_brand
from omnibus.writing.drafts import Writer, terms_for
from omnibus.writing.journeys import read_journey, read_journeys
from omnibus.writing.messages import Messages, read_message, read_messages

__all__ = [
    "Messages", "Writer", "read_brand", "read_journey", "read_journeys", "read_message", "read_messages", "terms_for",
]  # fmt: skip
