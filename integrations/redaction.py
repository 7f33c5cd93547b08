"""Redaction: secrets and personal data are taken out of telemetry before any of it is stored.

On by default. Log bodies, names of operations and the values of span attributes are looked at; what is found
is replaced by its kind (``[mail]``, ``***``), and a site may say of single attributes that they are to be
masked, dropped, kept as they are, or hashed: a keyed hash (HMAC, RFC 2104) that is the same for the same
value, so that what belongs together still does. Only attributes that the engine reads get this far at all.

Text repeats, so each distinct text is looked at once, and a quick test that lets most of them pass comes
first. What is replaced is counted by kind; the counters say nothing about whose it was.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from causal.errors import MalformedSettings
from integrations.arrow import LOGS, TRACES, ArrowBatch
from integrations.masking import names_a_secret
from integrations.shapes import MASK, mask_personal, mask_secrets
from playbooks.remedy import Written
from playbooks.written import read_as

Treatment = Literal["mask", "hash", "drop", "keep"]

# What a text must hold at least for any of the shapes to be in it. RE2 tests a million texts a second for
# this; the shapes themselves cost a third of a millisecond a text.
_MAY_HOLD_SECRETS = (
    r"://[^/ ]*:|-----BEGIN|eyJ|(?i:passw|passphrase|pwd|secret|token|[_-]?key|bearer|authorization)|\d:AA"
    r"|gh[a-z]_|github_|gl[a-z]+[_-]|xox|xapp-|hooks\.slack|A(?:KIA|SIA|BIA|CCA|Iza|GE-)|ya29|GOCSPX|sk[_-]"
    r"|[rp]k_|whsec_|SG\.|SK[0-9a-f]{8}|npm_|pypi-|hf_|do[opr]_v1|dapi[0-9a-f]{8}|hv[sbr]\.|sntry|shp[a-z]+_"
    r"|lin_api|ntn_|PMAK-"
)
_MAY_HOLD_PEOPLE = (
    r"[\w.+%-]@[A-Za-z0-9]"
    r"|\b[A-Z]{2}\d{2} ?[A-Z0-9]"
    r"|[2-6]\d{3}[ -]?\d{4}[ -]?\d{4}|3\d{3}[ -]\d{6}[ -]"
    r"|\+[1-9][\d ()/-]{6}|\b0\d{1,4}\)?[ /-]\d{3}|\d{3}[).-] ?\d{3}[-.]\d{4}"
)
_SUSPICIOUS = f"{_MAY_HOLD_SECRETS}|{_MAY_HOLD_PEOPLE}"
_DROPPED = object()


class Redaction(Written):
    """What a site wants taken out; the default masks all secrets and personal data.

    ``attributes`` says of single span attributes, by name, what becomes of their values, whatever they hold.
    """

    secrets: Literal["mask", "keep"] = "mask"
    personal: Literal["mask", "keep"] = "mask"
    attributes: dict[str, Treatment] = Field(default_factory=dict)


def read_redaction(path: Path) -> Redaction:
    """Read ``redaction.yaml``; the default where there is none. MalformedSettings names file and line."""
    if not path.exists():
        return Redaction()
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise MalformedSettings(f"can not be read: {error}", where=str(path)) from error
    return read_as(Redaction, text, str(path)).or_raise(MalformedSettings)


@dataclass
class Redactor:
    """Takes out what a site wants taken out; safe to use from several threads.

    ``counts`` holds how many distinct texts of each batch were changed, by what was done: ``secret``,
    ``personal``, ``mask``, ``hash``, ``drop``.
    """

    rules: Redaction = field(default_factory=Redaction)
    key: bytes = b""
    counts: Counter[str] = field(default_factory=Counter)
    _lock: Lock = field(default_factory=Lock, repr=False)

    def applied(self, rows: ArrowBatch) -> ArrowBatch:
        """The same rows without what is to be taken out."""
        traces = self._replaced(rows.traces, TRACES, "operation", self._text)
        traces = self._replaced(traces, TRACES, "attributes", self._attributes, all_of_them=self._named)
        return ArrowBatch(traces, rows.metrics, self._replaced(rows.logs, LOGS, "body", self._text))

    @property
    def _named(self) -> bool:
        return bool(self.rules.attributes)

    def _replaced(
        self,
        table: pa.Table,
        schema: pa.Schema,
        column: str,
        change: Callable[[str], str],
        *,
        all_of_them: bool = False,
    ) -> pa.Table:
        """A column with each distinct text changed that needs it; the same table where none does."""
        coded = table[column].combine_chunks().dictionary_encode()
        coded = coded.combine_chunks() if isinstance(coded, pa.ChunkedArray) else coded
        texts = coded.dictionary
        looked_at = (
            range(len(texts))
            if all_of_them
            else pc.indices_nonzero(pc.match_substring_regex(texts, _SUSPICIOUS)).to_pylist()
        )
        changed = {at: new for at in looked_at if (new := change(old := texts[at].as_py())) != old}
        if not changed:
            return table
        words = [changed.get(at, text) for at, text in enumerate(texts.to_pylist())]
        whole = pa.array(words, pa.string()).take(coded.indices)
        return table.set_column(schema.get_field_index(column), schema.field(column), whole)

    def _text(self, text: str) -> str:
        safe = text
        if self.rules.secrets == "mask":
            safe = self._counted("secret", safe, mask_secrets(safe))
        if self.rules.personal == "mask":
            safe = self._counted("personal", safe, mask_personal(safe))
        return str(safe)

    def _attributes(self, text: str) -> str:
        try:
            known = json.loads(text)
        except (ValueError, RecursionError):
            return self._text(text)
        if not isinstance(known, dict):
            return self._text(text)
        kept = {name: self._value(name, value) for name, value in known.items()}
        kept = {name: value for name, value in kept.items() if value is not _DROPPED}
        return text if kept == known else json.dumps(kept, ensure_ascii=False, separators=(",", ":"))

    def _value(self, name: str, value: Any) -> Any:
        match self.rules.attributes.get(name):
            case "keep":
                return value
            case "mask":
                return self._counted("mask", value, MASK)
            case "hash":
                return self._counted("hash", value, self._hash(value))
            case "drop":
                return self._counted("drop", value, _DROPPED)
        return self._found(name, value)

    def _found(self, name: str, value: Any) -> Any:
        """A value without what its name or its shape betrays, however deep."""
        if self.rules.secrets == "mask" and value and names_a_secret(name):
            return self._counted("secret", value, MASK)
        if isinstance(value, dict):
            return {inner: self._found(inner, own) for inner, own in value.items()}
        if isinstance(value, list):
            return [self._found("", own) for own in value]
        return self._text(value) if isinstance(value, str) else value

    def _hash(self, value: Any) -> str:
        told = json.dumps(value, sort_keys=True, ensure_ascii=False).encode("utf-8", "surrogatepass")
        return "#" + hmac.new(self.key, told, hashlib.sha256).hexdigest()[:16]

    def _counted(self, kind: str, before: Any, after: Any) -> Any:
        if before != after:
            with self._lock:
                self.counts[kind] += 1
        return after
