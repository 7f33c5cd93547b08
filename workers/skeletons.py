"""The files that `aitia init` writes: everything that can be set, each with its meaning.

A line that begins with ``#`` and no space is a setting with its default, or an example, left out; whoever
takes the ``#`` away has it set. What was found out or answered stands without one.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from integrations.git_repository import GitRepository
from workers.discovery import PORTS, Place
from workers.secret_files import ENDING, PREFIX, secret_names
from workers.settings import Settings

_WIDTH = 100
_FILE = "/run/secrets/aitia-"


def settings_text(values: Mapping[str, str] | None = None) -> str:
    """``settings.yaml``: every setting with its meaning and default; ``values`` are set."""
    lines = [
        "# Settings of Aitia. A line that begins with # is a default; take the # away to change it.",
        "# The environment comes before this file. Secrets are best kept in files of their own.",
        "",
    ]
    secret = secret_names(Settings.model_fields)
    for name, field in Settings.model_fields.items():
        if name != "home":
            lines += _setting(name, field, (values or {}).get(name), is_secret=name in secret)
    return "\n".join(lines) + "\n"


def _setting(name: str, field: FieldInfo, value: str | None, *, is_secret: bool) -> Iterator[str]:
    variable = field.alias or f"{PREFIX}{name.upper()}"
    meaning = f"{field.description or name.replace('_', ' ')} ({variable})"
    yield from textwrap.wrap(meaning, _WIDTH, initial_indent="# ", subsequent_indent="# ")
    if is_secret:
        yield f"#{name}{ENDING}: {_FILE}{name.replace('_', '-')}"
    elif value is not None:
        yield f"{name}: {json.dumps(value)}"
    else:
        yield f"#{name}: {_plain(field.get_default(call_default_factory=True))}"
    yield ""


def _plain(value: Any) -> str:
    if isinstance(value, Path | SecretStr):
        return json.dumps(str(value))
    return json.dumps(value, ensure_ascii=False)


def sources_text(found: Sequence[Place] = ()) -> str:
    """``sources.yaml``: where telemetry is kept; what was found is set, the rest is an example."""
    return "\n".join(_sources(found)) + "\n"


def _sources(found: Sequence[Place]) -> Iterator[str]:
    yield "# Where others keep telemetry of the watched systems; Aitia reads there and writes nothing."
    yield "# Under each kind: names of your own, each with url, and token_file, tenant or timeout if needed."
    for kind in (kind for kind in PORTS if kind != "alertmanager"):
        urls = [place.url for place in found if place.kind == kind]
        yield ""
        yield f"# {_MORE[kind]}"
        if not urls:
            yield f'#{kind}: {{main: {{url: "http://{kind}.example:{PORTS[kind]}"}}}}'
            continue
        yield f"{kind}:"
        for number, url in enumerate(urls, start=1):
            yield f'  {"main" if number == 1 else f"more-{number}"}: {{url: "{url}"}}'


_MORE: Mapping[str, str] = {
    "prometheus": "metrics; step (15s) and queries, a list of {metric, query}, say what is asked",
    "jaeger": "traces; services (all if none are named) and limit, traces a search",
    "tempo": 'traces; query is TraceQL ("{}"); what is younger than half a minute can not be searched',
    "loki": "logs; query is LogQL; tenant where it has several",
}


def people_text(*, example: bool) -> str:
    """The head of ``people.yaml``, or the whole of its example."""
    lines = [
        "# Who may answer when Aitia asks. `aitia people add NAME --role ROLE` writes here and prints a",
        "# token; slack is their user id (U…), email that of their PagerDuty user. Once this file is there,",
        "# only the people in it may answer.",
    ]
    if example:
        person = "{name: Ada Lovelace, roles: [sre], slack: U0123ABCD, email: ada@example.org}"
        lines += ["", "# Save this as people.yaml to use it.", f"#people: [{person}]"]
    return "\n".join(lines) + "\n"


POLICY = """\
# What automation may do, read anew at each decision. A line that begins with # is a default or an example.

# Where no rule says otherwise: observe < suggest < approve < auto
#autonomy: approve

# How probable a cause must be before a human is asked; below it a plan is only shown
#suggest_above: 0.70

# How sure of cause and cure together, before automation acts alone (and only where a rule says auto)
#act_above: 0.99

# How often a playbook must have worked for a kind of fault before it may act alone
#min_verified_successes: 5

# The first rule that matches counts; what it leaves out is as above
#rules: [{playbook: "restart-*", service: "cart*", environment: staging, autonomy: auto, act_above: 0.9}]

# Times in which nothing more than at_most is done (observe: nothing)
#freezes: [{because: nobody is in, weekdays: [sat, sun], hours: "00:00-24:00", zone: UTC, at_most: approve}]

# Never touched, whatever a playbook says
#frozen_targets: ["repository:ledger*"]

# How many services a plan may reach, by environment
#max_blast_radius: {production: 1, "*": 5}

# How often automation may act without asking
#rate_limits: {alone_per_hour: 6, alone_per_day: 24, alone_per_service_and_day: 6}

# How often it may be wrong before it has to ask again
#error_budget: {wrong_at_most: 0.05, certainty: 0.95, window: 90d, wrong_alone_at_most: 3}

# How long a fix that brought no recovery is not tried again
#not_again_within: 24h

# Everything off
#stopped: false
"""

REDACTION = """\
# What is taken out of telemetry before it is stored. A line that begins with # is a default or an example.

# Tokens, passwords, keys: mask or keep
#secrets: mask

# Mail addresses, cards, accounts, telephone numbers: mask or keep
#personal: mask

# Single span attributes by name: mask, hash (the same for the same value), drop, keep
#attributes: {user.id: hash, http.request.header.cookie: drop}
"""


def connections_text(
    repository: GitRepository | None, *, allowed: bool, alertmanagers: Iterable[str] = ()
) -> str:
    """``connections.d/site.yaml``: what may be touched; only an allowed repository is."""
    path, branch = Path("/srv/shop/config"), "main"
    if repository is not None:
        path, branch = repository.path, repository.branch
    mark = "" if allowed and repository is not None else "#"
    url = next(iter(alertmanagers), "http://127.0.0.1:9093")
    return f"""\
# What Aitia may touch; a playbook chooses among these names and can not invent a target. A line that begins
# with # grants nothing.

# A git work tree: its commits are known as changes, and may be put back (git.revert) on this branch.
# services says which file is about which service.
{mark}repositories: {{{_name(path)}: {{path: {json.dumps(str(path))}, branch: {json.dumps(branch)}, \
services: "services/{{service}}.yaml"}}}}

# A server that may be asked for what `allow` lists (http.request)
#http: {{admin: {{base_url: "http://127.0.0.1:4711", allow: ["POST /reload/*"], services: [cart]}}}}

# A program that restarts services (process.restart); a list of arguments, never a shell
#processes: {{units: {{services: [cart], restart: [systemctl, restart, "${{service}}"]}}}}

# An Alertmanager whose alerts may be silenced while a fix is at work
#alertmanagers: {{main: {{base_url: "{url}", longest: 2h}}}}
"""


def _name(path: Path) -> str:
    kept = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in path.name)
    return kept.strip("-") or "config"
