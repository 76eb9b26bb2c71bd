"""Which disposition a case gets, and why: thresholds on the model's flags, and triggers.

Order of precedence: danger first, then what is not ours, then what is missing, then doubt
between two functions; only a clear case is suggested or dispatched.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dispatch_model.cases import Disposition, Reason, Span
from dispatch_model.labels import LEVELS
from dispatch_model.triggers import Fired, Triggers

CONTENT, PLACE = "诉求内容", "事发地点（区、街道或小区）"


@dataclass(frozen=True)
class Thresholds:
    """From which probability on each thing happens; the bundle states what each was chosen for.

    :param auto: None: nothing is ever dispatched without a person.
    :param consult_below: two functions go to consultation when the best is below this …
    :param consult_gap: … and no further than this ahead of the second.
    """

    urgent: float = 0.5
    refuse: float = 0.5
    vague: float = 0.5
    auto: float | None = None
    consult_below: float = 0.5
    consult_gap: float = 0.15


@dataclass(frozen=True)
class Candidate:
    """What the decision needs to know of one ranked suggestion.

    :param named: the directory has a unit for it.
    :param lacks: what must be known before a unit can be named; '' also for a city without a directory.
    """

    function: str
    level: str
    probability: float
    named: bool = True
    lacks: str = ""


@dataclass(frozen=True)
class Outcome:
    """The disposition of a case, why, what is missing, and the triggers that fired."""

    disposition: Disposition
    reason: str
    missing: tuple[str, ...] = ()
    reasons: tuple[Reason, ...] = ()


def decide(
    flags: Mapping[str, float],
    candidates: Sequence[Candidate],
    *,
    place_known: bool,
    text: str,
    triggers: Triggers,
    thresholds: Thresholds,
    contentless: bool = False,
) -> Outcome:
    """Decide on one case.

    :param flags: calibrated probability of each model flag.
    :param candidates: suggestions, best first; may be empty.
    :param text: the masked transcript, in which the spans of the reasons count.
    :param contentless: the transcript holds only greetings and fillers, of which the model's flags mean nothing.
    """
    fired = triggers.fire(text)
    flags = {} if contentless else flags
    return (
        _emergency(flags, fired, thresholds)
        or (None if contentless else _decline(flags, fired, thresholds))
        or _ask(flags, fired, candidates, place_known, contentless, thresholds)
        or _consult(candidates, thresholds)
        or _clear(candidates, thresholds)
    )


def _reasons(fired: Sequence[Fired]) -> tuple[Reason, ...]:
    return tuple(
        Reason(
            source="trigger",
            rule_id=found.trigger.id,
            text=f"{found.trigger.text}（{found.trigger.basis}）",
            spans=(Span(start=found.start, end=found.end),),
        )
        for found in fired
    )


def _of(fired: Sequence[Fired], disposition: Disposition) -> tuple[Fired, ...]:
    return tuple(found for found in fired if found.trigger.disposition is disposition)


def _channels(fired: Sequence[Fired]) -> str:
    return "、".join(dict.fromkeys(found.trigger.channel for found in fired))


def _emergency(flags: Mapping[str, float], fired: Sequence[Fired], thresholds: Thresholds) -> Outcome | None:
    found = _of(fired, Disposition.EMERGENCY)
    if found:
        reason = f"{found[0].trigger.text}；立即转 {_channels(found)}，同时派单跟进"
    elif flags.get("urgent", 0.0) >= thresholds.urgent:
        reason = f"模型判断涉及人身财产安全（{flags['urgent']:.0%}）；请立即核实并转 110、119、120 或抢修单位"
    else:
        return None
    return Outcome(Disposition.EMERGENCY, reason, reasons=_reasons(found))


def _decline(flags: Mapping[str, float], fired: Sequence[Fired], thresholds: Thresholds) -> Outcome | None:
    found = _of(fired, Disposition.DECLINE)
    if found:
        reason = f"{found[0].trigger.text}；请告知市民通过 {_channels(found)} 办理"
    elif flags.get("refuse", 0.0) >= thresholds.refuse:
        reason = f"模型判断不属于热线受理范围（{flags['refuse']:.0%}）；请核实并告知市民正确渠道"
    else:
        return None
    return Outcome(Disposition.DECLINE, reason, reasons=_reasons(found))


def _ask(
    flags: Mapping[str, float],
    fired: Sequence[Fired],
    candidates: Sequence[Candidate],
    place_known: bool,
    contentless: bool,
    thresholds: Thresholds,
) -> Outcome | None:
    found = _of(fired, Disposition.ASK)
    missing = [found_one.trigger.channel for found_one in found]
    if contentless or not candidates or flags.get("vague", 0.0) >= thresholds.vague:
        missing.append(CONTENT)
    elif candidates[0].level != LEVELS[0] and not place_known:
        missing.append(PLACE)
    elif candidates[0].lacks:
        missing.append(candidates[0].lacks)
    if not missing:
        return None
    told = found[0].trigger.text if found else "信息不足，无法确定承办单位"
    unique = tuple(dict.fromkeys(missing))
    return Outcome(Disposition.ASK, f"{told}；请补充：{'、'.join(unique)}", unique, _reasons(found))


def _consult(candidates: Sequence[Candidate], thresholds: Thresholds) -> Outcome | None:
    if len(candidates) < 2:
        return None
    first, second = candidates[:2]
    clear = first.probability >= thresholds.consult_below
    ahead = first.probability - second.probability > thresholds.consult_gap
    if first.function == second.function or clear or ahead:
        return None
    return Outcome(
        Disposition.CONSULT,
        f"{first.function}（{first.level}，{first.probability:.0%}）与{second.function}（{second.level}，"
        f"{second.probability:.0%}）职能不同且都不明确；建议会商，{first.function}拟主办、{second.function}拟协办",
    )


def _clear(candidates: Sequence[Candidate], thresholds: Thresholds) -> Outcome:
    best = candidates[0]
    if thresholds.auto is not None and best.named and best.probability >= thresholds.auto:
        return Outcome(Disposition.AUTO, f"首选单位概率 {best.probability:.0%}，达到自动派发门槛 {thresholds.auto:.0%}")
    return Outcome(Disposition.SUGGEST, f"首选{best.function}·{best.level}（{best.probability:.0%}），供坐席确认")
