"""A run of agents as a reviewer reads it: turn by turn, each with what came of it.

A *turn* is a model's answer or an order to another agent. Tools belong to the turn that called them. A tool
that fails by itself (not by the code it was given) and a memory that is looked into are turns as well: facts
and failures may start there. Turns that say nothing (a sign-off, "next speaker") and calls that had nothing
to execute are dropped before anything is counted; so is what people put in.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from causal.dataflow import fresh, prose_of, task_of
from causal.genai import Act

_WORD = re.compile(r"[^\W\d_]{4,}")
_MADE_UP = (
    r"assum\w+|presum\w+|suppos(?:e|ing)|simulat\w+|hypothe\w+|approximat\w+|placeholders?|dummy|mock(?:ed)?|"
    r"fictional|fictitious|made[- ]up|made up|sample (?:data|values)|let(?:'s| us) say|typical(?:ly)?|"
    r"(?:from|my|general) knowledge|for (?:illustration|demonstration)|as an example"
)
_INVENTS = re.compile(rf"\b(?:{_MADE_UP})\b", re.IGNORECASE)
_LOOKED = (
    r"(?:verif|check|review|confirm|examin|inspect|search|retriev|visit|locat|gather|access|download|identif|"
    r"compar|analy[sz])\w*|found"
)
_CLAIMS = re.compile(
    rf"\bi(?:'ve| have) (?:\w+ )?(?:{_LOOKED})|\b(?:after|upon|having) (?:\w+ )?(?:{_LOOKED})|"
    rf"\bmanual(?:ly)? (?:{_LOOKED})|\bhere (?:is|are) the\b",
    re.IGNORECASE,
)
_PROMISES = re.compile(
    r"\b(?:hold on|one moment|a moment|report back|shortly|let me (?:\w+ )?(?:verify|confirm|check|look)|"
    r"i will|i'll)\b",
    re.IGNORECASE,
)
_SHOWS = re.compile(r"\b(viewport|screenshot)\b", re.IGNORECASE)
_NOTHING = re.compile(
    r"\b(not found|no \w+(?: \w+)? found|does not contain|cannot be reached|can't be reached|access denied|"
    r"nothing to \w+|no results?|timed? ?out|error|404|403)\b",
    re.IGNORECASE,
)
_EMPTY = frozenset({"", "none", "null", "[]", "{}", "set()", "nan", "0"})
_HEADER = re.compile(r"(?is)^\s*exit ?code.*?output:")
_TALK, _SHORT, _PAGE, _WORK = 4, 160, 400, 4
_SPOKEN = ("chat", "generate_content", "text_completion", "invoke_agent", "plan", "")


@dataclass(frozen=True)
class Turn:
    """One turn: its act, its position, the acts of tools it called and the facts it was the first to tell."""

    act: Act
    position: int
    tools: Sequence[Act]
    new: frozenset[str]
    opening: bool

    @property
    def step(self) -> int:
        """The place in the run, as the span tells it or as it was counted (from 0)."""
        return self.position if self.act.step is None else self.act.step

    @property
    def ran(self) -> bool:
        """Whether a tool really ran for it."""
        return bool(self.tools)

    @property
    def shows(self) -> bool:
        """Whether it shows what a browser or a file viewer returned: that was looked up, not made up."""
        return bool(_SHOWS.search(self.act.said[:600]))

    @cached_property
    def inventions(self) -> int:
        """How often it says that it makes something up."""
        return len(_INVENTS.findall(self.act.said))

    @property
    def claims(self) -> bool:
        """Whether it claims to have looked although nothing ran for it."""
        return not self.ran and not self.shows and bool(_CLAIMS.search(prose_of(self.act.said)))

    @property
    def promises(self) -> bool:
        """Whether it only says what is going to be done."""
        return not self.ran and bool(_PROMISES.search(self.act.said))

    @property
    def fruitless(self) -> bool:
        """Whether what it ran or showed failed or returned nothing."""
        if self.tools:
            return any(fruitless(tool) and not fails_itself(tool) for tool in self.tools)
        return self.shows and not _returned(self.act.said)

    @property
    def works(self) -> bool:
        """Whether it does more than talk: something ran, was shown, or facts are told."""
        return self.ran or self.shows or (len(self.new) >= _WORK and not self.promises)


def fruitless(tool: Act) -> bool:
    """Whether a tool's call failed or came back with nothing."""
    if tool.failed or tool.text("error.type") or tool.number("process.exit.code") > 0:
        return True
    if not tool.told.keys() & {"gen_ai.tool.call.result"}:
        return False
    body = _HEADER.sub("", tool.said).strip()
    return (
        body.lower() in _EMPTY or body.endswith(":") or (len(body) < _SHORT and bool(_NOTHING.search(body)))
    )


def _returned(said: str) -> bool:
    """Whether a page that is shown has anything on it beyond an error."""
    body = said.rsplit("text:", 1)[-1].replace("<Image>", "").strip()
    return len(_WORD.findall(body)) >= _TALK and not (len(body) < _PAGE and _NOTHING.search(body))


def turns(run: Sequence[Act]) -> list[Turn]:
    """The turns of one run that can be to blame."""
    entries = run[1:] if len(run) > 1 and run[0].above < 0 and not run[0].said else run
    new = fresh(entries, task_of(run))
    spoken = [n for n, act in enumerate(entries) if _speaks(act)]
    mine: dict[int, list[Act]] = {}
    for n, act in enumerate(entries):
        before = [s for s in spoken if s < n] if act.tool is not None and _called(act, entries, n) else []
        if before:
            mine.setdefault(_author(act, entries, before), []).append(act)
    heard = [n for n in spoken if n in mine or len(entries[n].said.split()) >= _TALK] or spoken
    kept = sorted({*heard, *(n for n, act in enumerate(entries) if act.reads or fails_itself(act))})
    return [Turn(entries[n], n, mine.get(n, ()), new[n], n == 0) for n in kept]


def fails_itself(act: Act) -> bool:
    """Whether a tool failed by its own doing: not by the code that it was given, which has an exit code."""
    broken = act.failed or act.text("error.type") is not None
    return act.tool is not None and broken and "process.exit.code" not in act.told


def _speaks(act: Act) -> bool:
    return act.tool is None and act.what in _SPOKEN and bool(act.said or not act.heard)


def _called(tool: Act, entries: Sequence[Act], n: int) -> bool:
    """Whether anything was executed: it had arguments, an outcome, or code just before it."""
    if tool.failed or tool.told.keys() & {"process.exit.code", "gen_ai.tool.call.arguments", "error.type"}:
        return True
    return any("```" in act.said for act in entries[max(0, n - 1) : n]) if tool.said else True


def _author(tool: Act, entries: Sequence[Act], before: Sequence[int]) -> int:
    """The turn that called a tool: its parent, else the last before it."""
    return next((n for n in before if entries[n].row == tool.above), before[-1])


def strayed(told: Sequence[Turn], task: str) -> bool:
    """Whether a run that was briefed at length was about something else than its task.

    Of the words of the task, less than a third were ever named.
    """
    asked = _words(task)
    named: set[str] = set().union(*(_words(turn.act.said) for turn in told))
    briefed = any(turn.opening and len(_words(turn.act.said)) > len(asked) for turn in told)
    return briefed and len(asked) >= _TALK and len(asked & named) < len(asked) / 3


def _words(text: str) -> set[str]:
    return {word.lower() for word in _WORD.findall(text)}
