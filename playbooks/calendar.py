"""Stretches of time as people write them: once, or every week, by the wall clock of a zone."""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, NaiveDatetime, model_validator

from playbooks.remedy import Written

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_HOURS = re.compile(r"^(?:[01]\d|2[0-3]):[0-5]\d-(?:(?:[01]\d|2[0-3]):[0-5]\d|24:00)$")


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:  # not found, not a name, or a folder of zones
        raise ValueError(f"{name!r} is not an IANA time zone; write for example Europe/Berlin") from error
    return name


def _hours(text: str) -> str:
    if not _HOURS.match(text):
        raise ValueError(
            f'{text!r} is not a stretch of hours; write for example "22:00-06:00" or "16:00-24:00"'
        )
    return text


class Stretch(Written):
    """A stretch of time, once (``from``, ``to``) or every week (``weekdays``, ``hours``), and why.

    Times are wall clock in ``zone``; hours that go past midnight belong to the weekday on which they begin.
    Where the clock is put back, a stretch lasts until the later of the two equal times.
    """

    because: str = Field(min_length=1)
    begins: NaiveDatetime | None = Field(default=None, alias="from")
    ends: NaiveDatetime | None = Field(default=None, alias="to")
    weekdays: tuple[Weekday, ...] = ()
    hours: Annotated[str, AfterValidator(_hours)] = "00:00-24:00"
    zone: Annotated[str, AfterValidator(_known_zone)]

    @model_validator(mode="after")
    def _is_once_or_weekly(self) -> Self:
        once = self.begins is not None or self.ends is not None
        if once == bool(self.weekdays):
            raise ValueError("write either from and to, or weekdays (with hours)")
        if once and (self.begins is None or self.ends is None or self.ends <= self.begins):
            raise ValueError("write both from and to; to must be later than from")
        return self

    def holds(self, moment: float) -> bool:
        """Whether a moment (Unix seconds) lies in it."""
        zone = ZoneInfo(self.zone)
        if self.begins is not None and self.ends is not None:
            first, last = self.begins.replace(tzinfo=zone), self.ends.replace(tzinfo=zone, fold=1)
            return first.timestamp() <= moment < last.timestamp()
        return self._holds_weekly(dt.datetime.fromtimestamp(moment, zone))

    def _holds_weekly(self, local: dt.datetime) -> bool:
        begin, end = self.hours.split("-")  # of one length: they compare as the times do
        clock, today = f"{local:%H:%M}", WEEKDAYS[local.weekday()]
        if begin < end:
            return today in self.weekdays and begin <= clock < end
        yesterday = WEEKDAYS[local.weekday() - 1]
        return (today in self.weekdays and begin <= clock) or (yesterday in self.weekdays and clock < end)
