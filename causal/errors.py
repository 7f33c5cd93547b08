"""Everything that Aitia raises, as one tree.

AitiaError
├── Malformed            somebody sent or wrote what cannot be read: says where and what to write instead
│   ├── MalformedCase        a case or snapshot folder
│   ├── MalformedTelemetry   an OTLP body, a Jaeger export, a metric page
│   ├── MalformedAlert       an alert webhook
│   ├── MalformedPlaybook    a playbook file (file, line and column)
│   └── MalformedSettings    settings or connections
├── TooLarge             a body over its limit, before or after decompression
├── Unanswerable         the telemetry holds nothing that the question is about
├── Refused              a rule of ours said no: approval, gate, allow-list
├── NotFound             no such incident, approval, snapshot, playbook
├── Conflict             somebody else got there first, or it was done already
├── Tampered             an audit chain does not add up: names the first bad row
└── Unavailable          the outside did not answer; trying again may help
└── UnknownEffect    it did not answer and may have acted: look before trying again
"""


class AitiaError(Exception):
    """The root of the tree; its message is a sentence for the person who must act on it."""


class Malformed(AitiaError):
    """Something written or sent cannot be read.

    ``where`` is a file, a field or a ``file:line:column``; it opens the message.
    """

    def __init__(self, what: str, *, where: str = "") -> None:
        super().__init__(f"{where}: {what}" if where else what)
        self.where = where
        self.what = what


class MalformedCase(Malformed):
    """A case or snapshot folder does not follow the case format."""


class MalformedTelemetry(Malformed):
    """An OTLP body, a Jaeger export or a metric page cannot be decoded."""


class MalformedAlert(Malformed):
    """An alert webhook does not follow its contract."""


class MalformedPlaybook(Malformed):
    """A playbook file breaks the schema; ``where`` names file, line and column."""


class MalformedSettings(Malformed):
    """A settings or connections file breaks its schema."""


class TooLarge(AitiaError):
    """A body is over its limit, before or after decompression."""


class Unanswerable(AitiaError):
    """The telemetry holds nothing that the question is about."""


class Refused(AitiaError):
    """One of our own rules said no."""


class NotFound(AitiaError):
    """There is no such incident, approval, snapshot or playbook."""


class Conflict(AitiaError):
    """Somebody else got there first, or it was done already."""


class Tampered(AitiaError):
    """An audit chain does not add up; ``row`` is the sequence number of the first bad row."""

    def __init__(self, what: str, *, row: int) -> None:
        super().__init__(f"row {row}: {what}")
        self.row = row


class Unavailable(AitiaError):
    """The outside did not answer; trying again may help."""


class UnknownEffect(Unavailable):
    """The outside did not answer and may have acted; look at the target before trying again."""
