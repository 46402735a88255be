"""Views that every project has, and saved queries with parameters: plain SQL files to read, copy and change."""

from headwater.query.views.project import EVENTS, over_our_events, project_views
from headwater.query.views.saved import Parameter, Saved, library, saved

__all__ = ["DEAD_LETTERS", "EVENTS", "IDENTITIES", "RESERVED", "Parameter", "Saved", "library", "over_our_events", "project_views", "saved"]

RESERVED = frozenset({"dead_letters", "identities"})
"""Views whose names nothing of the project's own may have: others are made of them."""

DEAD_LETTERS = saved("dead_letters").text
"""`dead_letters`: the latest state of each letter."""

IDENTITIES = saved("identities").text
"""`identities`: every identity that has, or had, a login; `person` is the identity under which all of one login's events come together."""
