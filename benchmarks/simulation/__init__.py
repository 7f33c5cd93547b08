"""A world of queueing services that never was: seeded incidents whose cause is known.

Read it in this order: `design` (what a system is), `drawing` (one that nobody drew), `forecast` (its load by
Little's law), `conventions` (how it tells of itself), `processor` and `pool` (what requests queue for),
`running` (the walk of a request), `agents`, `messages`; then `faults` (what can go wrong, and when that can
be felt), `recorder` and `series` (telemetry), `monitor` (the alert), `cases` (one incident from a seed and a
number).
"""
