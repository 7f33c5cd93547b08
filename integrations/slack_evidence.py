"""What does not fit into Slack's messages: the whole ticket as a text file, the causal graph as a picture."""

from __future__ import annotations

from integrations.causal_picture import described, picture
from integrations.slack_api import Upload
from integrations.slack_blocks import cut, is_shortened
from playbooks.render import ticket_page, to_text
from playbooks.ticket import Ticket

MAX_ALT_TEXT = 1_000
_WIDTH = 100
_STILL_THINKING = {"observing", "diagnosing", "planning"}


def evidence_part(ticket: Ticket) -> str:
    """Name the post that the files of this diagnosis are; empty while it may still change."""
    if ticket.diagnosis is None or ticket.status in _STILL_THINKING:
        return ""
    return f"evidence:{ticket.diagnosis.digest()[:16]}"


def attachments(ticket: Ticket) -> list[Upload]:
    """Return what is worth a file: the ticket where its details were shortened, and the causal graph."""
    files: list[Upload] = []
    if is_shortened(ticket_page(ticket)):
        files.append(
            {
                "filename": f"{ticket.id}.txt",
                "title": f"All evidence of {ticket.id}",
                "content": to_text(ticket, width=_WIDTH),
            }
        )
    if ticket.diagnosis is not None and (png := picture(ticket.diagnosis)):
        files.append(
            {
                "filename": f"{ticket.id}-causes.png",
                "title": f"The causes of {ticket.id}",
                "content": png,
                "alt_txt": cut(described(ticket.diagnosis), MAX_ALT_TEXT),
            }
        )
    return files
