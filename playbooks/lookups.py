"""Typed look-ups: how a playbook's parameters get their values, and how these get into its steps.

A look-up names one fact of the diagnosis, the alert, the incident or the service's connections; there is no
expression and no template language. What is looked up is other people's text (labels, commit titles, span
attributes): it must be free of control characters, match its parameter's pattern from end to end, is inserted
once (what was inserted is never read again as a look-up) and is kept within the place it goes to, which the
action's own schema names (`playbooks.places`).

In a step, ``$name`` alone is the parameter with its type, ``${name}`` inside text is its text, ``$$`` is a
dollar sign. ``$effect.name`` stands in an undo alone, for a fact that the step reported when it was done.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from causal.errors import MalformedPlaybook, Refused
from causal.evidence import Alert, Hypothesis
from playbooks.places import Place, UrlPath, path_segment, place_of
from playbooks.remedy import JsonValue, Parameter

__all__ = [
    "LOOKUPS",
    "UrlPath",
    "as_text",
    "facts_of",
    "fill",
    "fill_effect",
    "is_visible",
    "mentions",
    "parameter_values",
    "path_segment",
    "resolve",
    "shown",
]

LOOKUPS: Mapping[str, str] = {
    "cause.service": "the service at fault",
    "cause.entity": "the name of the entity at fault",
    "cause.change.id": "the commit or version that is blamed",
    "cause.change.repository": "the repository it was made in",
    "cause.change.previous": "the commit or version before it",
    "cause.change.title": "its title",
    "alert.signal": "the signal that hurts",
    "alert.service": "the service that hurts",
    "alert.name": "the name of the alert's rule",
    "incident.id": "the id of the incident",
    "service.environment": "where the service at fault runs",
    "service.admin": "the http connection that the service at fault is administered by",
    "service.repository": "the repository that configures it",
    "service.process": "the process connection that restarts it",
    "service.forge": "the forge where changes of its repository are proposed",
    "service.command": "the command that serves it",
    "service.file": "the configuration file it reads",
    "service.flags": "the file of feature flags it reads",
    "service.flag": "the feature flag that takes its optional part away",
    "service.alertmanager": "the Alertmanager that its alerts go to",
    "service.cluster": "the Kubernetes cluster it runs in",
    "service.deployment": "the deployment that serves it there, as namespace/name",
    "service.registry": "the model registry that its model lies in",
    "service.model": "the registered model that it serves",
}
LONGEST = 2000
Facts = Mapping[str, JsonValue]

_TOKEN = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<inside>[^{}]*)\}|(?P<alone>[A-Za-z_][A-Za-z0-9_.]*))?")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_EFFECT = re.compile(r"effect\.[A-Za-z_][A-Za-z0-9_]*")
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}  # Unicode categories that show nothing or change what is shown


@dataclass(frozen=True)
class Mention:
    """One ``$`` in a template: the name it asks for, or what is wrong with it."""

    path: tuple[str | int, ...]
    name: str
    wrong: str = ""
    is_whole: bool = False

    @property
    def is_effect(self) -> bool:
        return self.name.startswith("effect.")


def facts_of(
    hypothesis: Hypothesis, alert: Alert, incident: str, service: Facts | None = None
) -> dict[str, JsonValue]:
    """Every look-up and its value for one hypothesis; ``service`` holds the ``service.*`` ones."""
    change = hypothesis.change
    return {
        "cause.service": hypothesis.service,
        "cause.entity": hypothesis.entity.name,
        "cause.change.id": change.id if change else None,
        "cause.change.repository": change.repository if change else None,
        "cause.change.previous": change.previous if change else None,
        "cause.change.title": change.title if change else None,
        "alert.signal": alert.symptom.signal,
        "alert.service": alert.symptom.service,
        "alert.name": alert.labels.get("alertname"),
        "incident.id": incident,
        **{name: value for name, value in (service or {}).items() if name.startswith("service.")},
    }


def resolve(expression: str, facts: Facts) -> JsonValue:
    """Return the value of a look-up such as ``$cause.service``; None where this diagnosis has none.

    A literal (no ``$`` in front) is its own value. An unknown look-up raises MalformedPlaybook.
    """
    if not expression.startswith("$"):
        return expression
    name = expression[1:]
    if name not in LOOKUPS:
        raise MalformedPlaybook(f"there is no look-up called {expression}", where=expression)
    return facts.get(name)


def parameter_values(parameters: Mapping[str, Parameter], facts: Facts) -> dict[str, JsonValue]:
    """Look up every parameter of a playbook; Refused with the reason if one can not be had or is not fit."""
    return {name: _fit(name, parameter, facts) for name, parameter in parameters.items()}


def _fit(name: str, parameter: Parameter, facts: Facts) -> JsonValue:
    value = resolve(parameter.source, facts)
    value = parameter.default if value is None else value
    if value is None:
        meaning = LOOKUPS[parameter.source[1:]]
        raise Refused(f"parameter {name} has no value: {meaning} ({parameter.source}) is not known here")
    text = as_text(value)
    if len(text) > LONGEST:
        raise Refused(f"parameter {name} is {len(text)} characters long; at most {LONGEST} are taken")
    if not is_visible(text):
        raise Refused(f"parameter {name} holds control characters: {shown(text)}")
    if parameter.pattern is not None and re.fullmatch(parameter.pattern, text) is None:
        raise Refused(f"parameter {name} is {shown(text)}, which does not match {parameter.pattern}")
    return value


def is_visible(text: str) -> bool:
    """Whether a text is free of control and formatting characters."""
    return not any(unicodedata.category(letter) in _HIDDEN for letter in text)


def shown(text: str, most: int = 80) -> str:
    """Quote a text for a message: short, and with every hidden character written out."""
    return ascii(text if len(text) <= most else text[:most] + "...")


def as_text(value: JsonValue) -> str:
    """Write a value the way it stands inside other text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def mentions(template: object, path: tuple[str | int, ...] = ()) -> Iterator[Mention]:
    """Every ``$`` in a template, in order, with its path."""
    if isinstance(template, Mapping):
        for key, value in template.items():
            yield from mentions(value, (*path, key))
    elif isinstance(template, list | tuple):
        for at, value in enumerate(template):
            yield from mentions(value, (*path, at))
    elif isinstance(template, str):
        for token in _TOKEN.finditer(template):
            if not token["dollar"]:
                yield _mention(token, path, whole=token.span() == (0, len(template)))


def _mention(token: re.Match[str], path: tuple[str | int, ...], *, whole: bool) -> Mention:
    name = token["inside"] if token["inside"] is not None else token["alone"] or ""
    if not _NAME.fullmatch(name) and not _EFFECT.fullmatch(name):
        return Mention(
            path, name, f"{token[0]!r} names no parameter; write ${{name}}, or $$ for a dollar sign"
        )
    if token["alone"] and not whole:
        return Mention(path, name, f"write ${{{name}}} inside text; ${name} must stand alone")
    return Mention(path, name, is_whole=whole and token["alone"] is not None)


def fill(
    template: Mapping[str, object],
    parameters: Mapping[str, JsonValue],
    schema: type[BaseModel] | None = None,
    *,
    later: bool = False,
) -> dict[str, Any]:
    """Put parameters into the arguments of an action.

    ``schema`` says what place each field is: what is inserted is escaped for it, or Refused where it would
    leave it. With ``later`` the result is a template still: ``$effect.name`` is kept for `fill_effect`, and a
    dollar sign in an inserted value is doubled, so that it can not pass for one. An unknown name raises
    MalformedPlaybook.
    """
    return {
        field: _filled(value, _Inserter(parameters, place_of(schema, field) or _ANYWHERE, later=later))
        for field, value in template.items()
    }


def fill_effect(
    params: Mapping[str, object], effect: Mapping[str, JsonValue], schema: type[BaseModel] | None = None
) -> dict[str, Any]:
    """Put what a step reported into the arguments of its undo; Refused if it did not report that."""
    reported = {f"effect.{name}": value for name, value in effect.items()}
    for mention in mentions(params):
        if reported.get(mention.name) is None:
            raise Refused(
                f"the step did not report {mention.name.removeprefix('effect.')}, which its undo needs"
            )
    return fill(params, reported, schema)


_ANYWHERE = Place("value")


@dataclass(frozen=True)
class _Inserter:
    parameters: Mapping[str, JsonValue]
    place: Place
    later: bool

    def put_into(self, template: str) -> JsonValue:
        token = _TOKEN.fullmatch(template)
        if token is None or not token["alone"]:
            return self.checked(template, _TOKEN.sub(self.text, template))
        if self.later and _EFFECT.fullmatch(token["alone"]):
            return template
        value = self.whole(token)
        return self.checked(template, value) if isinstance(value, str) else value

    def checked(self, template: str, filled: str) -> str:
        """Hold a filled field against its place; of a template still, what of it is known by now."""
        known = _TOKEN.sub(lambda token: "$" if token["dollar"] else "x", filled) if self.later else filled
        self.place.whole(template, known)
        return filled

    def whole(self, token: re.Match[str]) -> JsonValue:
        value = self.value(token["alone"])
        if isinstance(value, str):
            return self.guarded(self.place.escape(value))
        return value

    def text(self, token: re.Match[str]) -> str:
        if token["dollar"]:
            return token[0] if self.later else "$"
        name = token["inside"] or ""
        if self.later and _EFFECT.fullmatch(name):
            return token[0]
        return self.guarded(self.place.escape(as_text(self.value(name))))

    def guarded(self, text: str) -> str:
        return text.replace("$", "$$") if self.later else text

    def value(self, name: str) -> JsonValue:
        if name not in self.parameters:
            raise MalformedPlaybook(f"there is no parameter called {name!r}", where=f"${{{name}}}")
        return self.parameters[name]


def _filled(template: object, inserter: _Inserter) -> object:
    if isinstance(template, Mapping):
        return {key: _filled(value, inserter) for key, value in template.items()}
    if isinstance(template, list | tuple):
        return [_filled(value, inserter) for value in template]
    return inserter.put_into(template) if isinstance(template, str) else template
