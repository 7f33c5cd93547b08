"""Learning: priors and a lesson in, new priors out.

A playbook's chance to cure a kind of fault has a Beta posterior (conjugate to success or failure of a run;
Gelman et al., Bayesian Data Analysis, 3rd ed., section 2.4). A run that brought recovery adds to its
successes as far as the recovery speaks for it, one that brought none adds one to its failures. Each run is
counted twice: for its service, and for all services together (`playbooks.confidence` shrinks the one towards
the other). The counts that the playbook's author claims are added where the posterior is read, so that
changing a claim never rewrites history.

Systems change, and what a playbook did to last year's says little of today's: counts fade, by half in
``HALF_LIFE``. That is the power prior of Ibrahim and Chen ("Power prior distributions for regression
models", Statistical Science 15, 2000) with a discount for age. A quarter of a year is how long a record may
speak at half weight, so that a playbook that stops working is found out within its next few runs. Lessons
fade from their own moments, therefore their order does not matter.

An incident whose cause became known is a label: whether the first hypothesis was right. The calibration is
fitted anew from the shipped one and all labels of the site, so their order does not matter. Where more was
said of one incident (a playbook that cured it, then a person), the last word counts; a playbook that a person
says treated the wrong service loses the success it had from it, and its deed was wrong.
"""

from causal.calibrate import refitted, shipped
from causal.evidence import (
    CauseRecord,
    Deed,
    Demotion,
    Label,
    Lesson,
    PlaybookRecord,
    Priors,
    Restoration,
)

DAY = 86_400.0
HALF_LIFE = 90.0 * DAY
DEEDS_KEPT_FOR = 365.0 * DAY
MOST_DEEDS = 2000


def learn(priors: Priors, lesson: Lesson) -> Priors:
    """The priors after one more lesson; the input is left as it was."""
    labels = _with_label(priors.labels, lesson)
    return Priors(
        version=priors.version + 1,
        playbooks=_with_run(_without_credit(priors, lesson), lesson),
        causes=_with_cause(priors, lesson),
        labels=labels,
        calibration=refitted(shipped(), labels) if labels else None,
        deeds=_with_deed(priors.deeds, lesson),
        demotions=_with_demotion(priors.demotions, lesson),
        restorations=_with_restoration(priors.restorations, lesson),
    )


def remaining(seconds: float) -> float:
    """How much of a count is left after a time (s); all of it where the time is not positive."""
    return float(0.5 ** (max(seconds, 0.0) / HALF_LIFE))


def aged(record: PlaybookRecord, at: float) -> PlaybookRecord:
    """A record as it stands at a later moment; counts of an unknown or a later time are left as they are."""
    if not record.at or at <= record.at:
        return record
    return _scaled(record, remaining(at - record.at), at)


def _scaled(record: PlaybookRecord, factor: float, at: float) -> PlaybookRecord:
    counts = {
        "successes": record.successes * factor,
        "failures": record.failures * factor,
        "declined": record.declined * factor,
    }
    return record.model_copy(update={**counts, "at": at})


def _with_run(records: tuple[PlaybookRecord, ...], lesson: Lesson) -> tuple[PlaybookRecord, ...]:
    if lesson.playbook is None or (lesson.worked is None and not lesson.declined):
        return records
    for service in sorted({"", lesson.service or ""}):
        records = _added(records, _run(lesson, service))
    return records


def _run(lesson: Lesson, service: str) -> PlaybookRecord:
    """What one lesson says of a playbook, as a record of its own."""
    return PlaybookRecord(
        playbook=lesson.playbook or "",
        fault=lesson.fault,
        service=service,
        successes=lesson.credit if lesson.worked else 0.0,
        failures={True: lesson.debit, False: 1.0, None: 0.0}[lesson.worked],
        declined=float(lesson.declined),
        at=lesson.at,
    )


def _added(records: tuple[PlaybookRecord, ...], new: PlaybookRecord) -> tuple[PlaybookRecord, ...]:
    """Two records of the same thing become one, both faded to the later of their moments."""

    def name(record: PlaybookRecord) -> tuple[str, str, str]:
        return record.playbook, record.fault, record.service

    old = next((known for known in records if name(known) == name(new)), new.model_copy(update=_NOTHING))
    at = max(old.at, new.at)
    was, now = aged(old, at), aged(new, at)
    both = now.model_copy(
        update={
            "successes": max(was.successes + now.successes, 0.0),
            "failures": was.failures + now.failures,
            "declined": was.declined + now.declined,
            "at": at,
        }
    )
    return tuple(sorted([*(known for known in records if known is not old), both], key=name))


_NOTHING = {"successes": 0.0, "failures": 0.0, "declined": 0.0, "at": 0.0}


def _treated_wrongly(deed: Deed, lesson: Lesson) -> bool:
    """Whether a lesson is a person's word that a deed was about the wrong service."""
    told = lesson.incident == deed.incident and lesson.playbook is None and lesson.confirmed is not None
    return told and lesson.service is not None and lesson.service != deed.service


def _without_credit(priors: Priors, lesson: Lesson) -> tuple[PlaybookRecord, ...]:
    records = priors.playbooks
    for deed in priors.deeds:
        if deed.credit and _treated_wrongly(deed, lesson):
            for service in sorted({"", deed.service}):
                records = _added(
                    records,
                    PlaybookRecord(
                        playbook=deed.playbook,
                        fault=deed.fault,
                        service=service,
                        successes=-deed.credit,
                        at=deed.at,
                    ),
                )
    return records


def _with_deed(deeds: tuple[Deed, ...], lesson: Lesson) -> tuple[Deed, ...]:
    """The deeds of a year, the latest of them where there are too many, in order of time."""
    known = {(deed.incident, deed.plan): _corrected(deed, lesson) for deed in deeds}
    if lesson.deed is not None:
        known[lesson.deed.incident, lesson.deed.plan] = lesson.deed
    now = max((lesson.at, *(deed.at for deed in known.values())))
    young = (deed for deed in known.values() if deed.at >= now - DEEDS_KEPT_FOR)
    return tuple(sorted(young, key=lambda deed: (deed.at, deed.incident, deed.plan))[-MOST_DEEDS:])


def _corrected(deed: Deed, lesson: Lesson) -> Deed:
    if not _treated_wrongly(deed, lesson):
        return deed
    return deed.model_copy(update={"wrong": True, "credit": 0.0})


def _with_label(labels: tuple[Label, ...], lesson: Lesson) -> tuple[Label, ...]:
    if lesson.confirmed is None or lesson.raw_probability is None:
        return labels
    new = Label(
        incident=lesson.incident,
        raw_probability=lesson.raw_probability,
        unexplained=lesson.unexplained,
        right=lesson.confirmed,
        probability=lesson.probability,
        at=lesson.at,
    )
    return tuple([label for label in labels if label.incident != lesson.incident] + [new])


def _with_cause(priors: Priors, lesson: Lesson) -> tuple[CauseRecord, ...]:
    """One more for the true cause, unless the incident's cause was known to be just that."""
    told = any(
        (known.incident, known.right) == (lesson.incident, lesson.confirmed) for known in priors.labels
    )
    if lesson.confirmed is None or lesson.service is None or told:
        return priors.causes
    counts = {(known.service, known.fault): known.confirmed for known in priors.causes}
    counts[lesson.service, lesson.fault] = counts.get((lesson.service, lesson.fault), 0.0) + 1.0
    return tuple(
        CauseRecord(service=service, fault=fault, confirmed=count)
        for (service, fault), count in sorted(counts.items())
    )


def _with_demotion(demotions: tuple[Demotion, ...], lesson: Lesson) -> tuple[Demotion, ...]:
    new = lesson.demotion or lesson.restoration
    kept = [known for known in demotions if new is None or known.playbook != new.playbook]
    if lesson.demotion is not None:
        kept.append(lesson.demotion)
    return tuple(sorted(kept, key=lambda known: known.playbook))


def _with_restoration(restorations: tuple[Restoration, ...], lesson: Lesson) -> tuple[Restoration, ...]:
    if lesson.restoration is None:
        return restorations
    kept = [known for known in restorations if known.playbook != lesson.restoration.playbook]
    return tuple(sorted([*kept, lesson.restoration], key=lambda known: known.playbook))
