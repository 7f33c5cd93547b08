"""Finish reasons: turns that were cut off, filtered or failed rather than finished.

"length" says that the answer was longer than allowed, "content_filter" that somebody else stopped it.
"""

from __future__ import annotations

from causal.actors import Telling, agent_of, oftener
from causal.evidence import Anomaly
from causal.genai import Act
from causal.view import View

_CUT = frozenset({"length", "max_tokens", "content_filter", "safety", "error"})
_SAYS = Telling(
    "finish", "turns", "{now:.0%} of the turns of {name} are cut off or filtered, in quiet time {before:.0%}"
)


def find(view: View) -> tuple[Anomaly, ...]:
    """Agents whose turns end before they are done."""
    if not view.compares:
        return ()
    ended = view.acts.those(lambda act: bool(_reasons(act)))
    return oftener(view, ended, agent_of, [bool(_reasons(act) & _CUT) for act in ended.each], _SAYS)


def _reasons(act: Act) -> frozenset[str]:
    told = act.told.get("gen_ai.response.finish_reasons")
    return frozenset(str(each).lower() for each in told) if isinstance(told, list) else frozenset()
