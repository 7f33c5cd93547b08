"""What may be done about it? Playbooks, plans, the gate, and the words for what was done."""
