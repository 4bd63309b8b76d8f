"""Import of what happened elsewhere: CSV and NDJSON, streamed, repeatable, resumable.

Read ``mapping.py`` for the small file that says what columns mean, ``load.py`` for the import itself.
"""

from omnibus.intake.load import Imported, load_file
from omnibus.intake.mapping import Mapping_, read_mapping

__all__ = ["Imported", "Mapping_", "load_file", "read_mapping"]
