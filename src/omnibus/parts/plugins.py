"""Plugins: what the configuration enables, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from omnibus.facets import BUILT_IN as FACETS
from omnibus.parts.tables import providers_of, scheme_of
from omnibus.plugins import Plugins
from omnibus.policies import BUILT_IN as POLICIES
from omnibus.settings import Settings


def load_plugins(settings: Settings, objects: Iterable[Any] = ()) -> Plugins:
    """Load what the configuration enables, and nothing else."""
    plugins = Plugins((*FACETS, *POLICIES))
    schemes = {scheme_of(each) for table in settings.channels.values() for each in providers_of(table)}
    names = {*settings.channels, *schemes, *settings.omnibus.plugin_names}
    plugins.load(names, settings.omnibus.plugin_files, objects)
    return plugins
