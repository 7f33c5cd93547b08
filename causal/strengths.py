"""Two strengths that every mechanism is measured against."""

from __future__ import annotations

SELF = 0.95
"""The chance that a fault shows in the very work that it is in."""

LEAK = 0.03
"""The chance of a finding that nobody's fault is behind."""
