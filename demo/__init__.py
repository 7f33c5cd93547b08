"""A shop of real processes that can really break, to point Aitia at.

Nothing here is imported by Aitia's own rooms, and nothing of theirs is imported here: the shop talks to Aitia
over OTLP, and by the one file it drops into ``connections.d``.

``topology`` says what a shop is, ``faults`` how it may break. ``shopkeeper`` starts and watches one process
per service (``service``) and the load (``load``), and serves the admin API; ``cli`` is ``aitia shop``.
"""
