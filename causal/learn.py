"""Learning: priors and a lesson in, new priors out.

A playbook's chance to cure a kind of fault has a Beta posterior (conjugate to success or failure of a run;
Gelman et al., Bayesian Data Analysis, ch. 2.4): one verified recovery adds one to its successes, one run that
did not bring recovery adds one to its failures. The prior counts that the playbook's author claims are added
where the posterior is read (`playbooks.confidence`), so that changing a claim never rewrites history.

An incident whose cause became known is a label: whether the first hypothesis was right. The calibration is
fitted anew from the shipped one and all labels of the site, so their order does not matter. Where more was
said of one incident (a playbook that cured it, then a person), the last word counts.
"""

from causal.calibrate import refitted, shipped
from causal.evidence import CauseRecord, Label, Lesson, PlaybookRecord, Priors


def learn(priors: Priors, lesson: Lesson) -> Priors:
    """The priors after one more lesson; the input is left as it was."""
    labels = _with_label(priors.labels, lesson)
    return Priors(
        version=priors.version + 1,
        playbooks=_with_run(priors, lesson),
        causes=_with_cause(priors, lesson),
        labels=labels,
        calibration=refitted(shipped(), labels) if labels else None,
    )


def _with_label(labels: tuple[Label, ...], lesson: Lesson) -> tuple[Label, ...]:
    if lesson.confirmed is None or lesson.raw_probability is None:
        return labels
    new = Label(
        incident=lesson.incident,
        raw_probability=lesson.raw_probability,
        unexplained=lesson.unexplained,
        right=lesson.confirmed,
    )
    return tuple([label for label in labels if label.incident != lesson.incident] + [new])


def _with_run(priors: Priors, lesson: Lesson) -> tuple[PlaybookRecord, ...]:
    if lesson.playbook is None or lesson.worked is None:
        return priors.playbooks
    old = priors.record(lesson.playbook, lesson.fault)
    new = old.model_copy(
        update={
            "successes": old.successes + (1.0 if lesson.worked else 0.0),
            "failures": old.failures + (0.0 if lesson.worked else 1.0),
        }
    )
    others = [known for known in priors.playbooks if known is not old]
    return tuple(sorted([*others, new], key=lambda known: (known.playbook, known.fault)))


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
