"""rtrec: a ranking service for live-streaming platforms that learns from every event.

Folders are stages of an event's journey, and import order is event order; see ARCHITECTURE.md.
"""

__version__ = "0.1.0"
