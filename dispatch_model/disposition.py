"""Which disposition a case gets, and why: thresholds on the model's flags, and triggers.

Order of precedence: danger first, then what is not ours, then what is missing, then doubt
between two functions; only a clear case is suggested or dispatched.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from dispatch_model.cases import Disposition, Reason, Span
from dispatch_model.labels import LEVELS
from dispatch_model.triggers import Fired, Triggers

CONTENT, PLACE, ORDER = "诉求内容", "事发地点（区、街道或小区）", "原工单号"
CERTAIN = 0.5  # the model outvotes a danger that `unless` denies from here on


@dataclass(frozen=True)
class Thresholds:
    """From which probability on each thing happens; the bundle states what each was chosen for.

    :param urgent_worded: as `urgent`, where the text also has a word of danger (a `hint`). At 0.1 the two
        together are right nearly as often as triggers alone (docs/experiments.md, Triggers and the model's flags).
    :param auto: function → from which probability of the first unit on a case is dispatched without a person; of
        a function left out, never. None: nothing is.
    :param consult_below: two functions go to consultation when the best is below this …
    :param consult_gap: … and no further than this ahead of the second.
    """

    urgent: float = 0.5
    refuse: float = 0.5
    vague: float = 0.5
    auto: Mapping[str, float] | None = None
    consult_below: float = 0.5
    consult_gap: float = 0.15
    urgent_worded: float = 0.1
    status: float = 0.5
    multi: float = 0.5


@dataclass(frozen=True)
class Candidate:
    """What the decision needs to know of one ranked suggestion.

    :param named: the directory has a unit for it.
    :param lacks: what must be known before a unit can be named; '' also for a city without a directory.
    :param unit: its name, or '' to be told by function alone.
    :param co_handlers: functions the catalogue has help.
    """

    function: str
    level: str
    probability: float
    named: bool = True
    lacks: str = ""
    unit: str = ""
    co_handlers: tuple[str, ...] = ()

    def told(self) -> str:
        """The candidate as an operator reads it: 龙华区城管局（城管·区，40%）."""
        about = f"{self.function}·{self.level}，{self.probability:.0%}"
        return f"{self.unit}（{about}）" if self.unit else f"{self.function}（{self.level}，{self.probability:.0%}）"


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
        _emergency(flags, fired, text, triggers, thresholds)
        or (None if contentless else _decline(flags, fired, thresholds))
        or _ask(flags, fired, candidates, place_known, contentless, thresholds)
        or _consult(flags, candidates, thresholds)
        or _clear(flags, candidates, thresholds)
    )


def endangers(
    probability: float, fired: Sequence[Fired], text: str, triggers: Triggers, thresholds: Thresholds
) -> tuple[Fired, ...] | None:
    """The words that make a case an emergency; empty where the model alone says so, None where nothing does.

    :param probability: of the model's flag `urgent`.
    """
    found = _of(fired, Disposition.EMERGENCY)
    if found:
        return found
    hints = triggers.hints(text) if probability >= thresholds.urgent_worded else ()
    if hints:
        return hints
    if probability < thresholds.urgent or (probability < CERTAIN and triggers.denies(text)):
        return None
    return ()


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


def _notes(flags: Mapping[str, float], thresholds: Thresholds) -> Iterator[Reason]:
    """What the operator should look at, whatever the disposition."""
    if flags.get("multi", 0.0) >= thresholds.multi:
        told = f"可能是两件以上不同主责的事（{flags['multi']:.0%}）；请核实，必要时拆成几件分别派单"
        yield Reason(source="model", text=told)


def _of(fired: Sequence[Fired], disposition: Disposition) -> tuple[Fired, ...]:
    return tuple(found for found in fired if found.trigger.disposition is disposition)


def _channels(fired: Sequence[Fired]) -> str:
    return "、".join(dict.fromkeys(name for found in fired for name in found.trigger.channel.split("、")))


def _emergency(
    flags: Mapping[str, float], fired: Sequence[Fired], text: str, triggers: Triggers, thresholds: Thresholds
) -> Outcome | None:
    probability = flags.get("urgent", 0.0)
    found = endangers(probability, fired, text, triggers, thresholds)
    if found is None:
        return None
    if _of(found, Disposition.EMERGENCY):
        reason = f"{found[0].trigger.text}；立即转 {_channels(found)}，同时派单跟进"
    else:
        words = f"说到“{text[found[0].start : found[0].end]}”，" if found else ""
        reason = f"{words}模型判断涉及人身财产安全（{probability:.0%}）；请立即核实并转 110、119、120 或抢修单位"
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
    chases = any(told.startswith(ORDER) for told in missing)
    if contentless or not candidates or flags.get("vague", 0.0) >= thresholds.vague:
        missing.append(CONTENT)
    elif flags.get("status", 0.0) >= thresholds.status and not found:
        missing.append(ORDER)
    elif chases:
        pass  # an older order is looked up, not dispatched: no place is needed
    elif candidates[0].level != LEVELS[0] and not place_known:
        missing.append(PLACE)
    elif candidates[0].lacks:
        missing.append(candidates[0].lacks)
    if not missing:
        return None
    doubt = "只是查询、催办旧工单或要求转接" if missing == [ORDER] else "信息不足，无法确定承办单位"
    unique = tuple(dict.fromkeys(missing))
    told = f"{found[0].trigger.text if found else doubt}；请补充：{'、'.join(unique)}"
    return Outcome(Disposition.ASK, told, unique, (*_reasons(found), *_notes(flags, thresholds)))


def _consult(flags: Mapping[str, float], candidates: Sequence[Candidate], thresholds: Thresholds) -> Outcome | None:
    if len(candidates) < 2:
        return None
    first, second = candidates[:2]
    clear = first.probability >= thresholds.consult_below
    ahead = first.probability - second.probability > thresholds.consult_gap
    if first.function == second.function or clear or ahead:
        return None
    helpers = [name for name in first.co_handlers if name not in (first.function, second.function)]
    listed = f"，目录所列协办职能 {'、'.join(helpers)}" if helpers else ""
    return Outcome(
        Disposition.CONSULT,
        f"{first.function}与{second.function}职能不同且都不明确；建议会商：主办候选 {first.told()}，"
        f"协办候选 {second.told()}{listed}",
        reasons=tuple(_notes(flags, thresholds)),
    )


def _clear(flags: Mapping[str, float], candidates: Sequence[Candidate], thresholds: Thresholds) -> Outcome:
    best, notes = candidates[0], tuple(_notes(flags, thresholds))
    least = (thresholds.auto or {}).get(best.function)
    # Two matters in one case are split by a person
    if least is not None and best.named and best.probability >= least and not notes:
        told = f"首选单位概率 {best.probability:.0%}，达到{best.function}的自动派发门槛 {least:.0%}"
        return Outcome(Disposition.AUTO, told)
    told = f"首选{best.function}·{best.level}（{best.probability:.0%}），供坐席确认"
    return Outcome(Disposition.SUGGEST, told, reasons=notes)
