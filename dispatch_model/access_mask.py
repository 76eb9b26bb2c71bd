"""The rows of an access list as arrays, from which the mask of any place and day is read off at once.

Rows are sorted by (level, prefix); what holds for one of these keys on a day is then one reduction over a run of
rows, and what holds for a category is that of its longest prefix which has a row in force.
"""

from collections.abc import Sequence
from datetime import date

import numpy as np
from numpy.typing import NDArray

from dispatch_model.access_row import LISTS, AccessRow
from dispatch_model.labels import LEVELS, PREFIX_LENGTHS

Mask = NDArray[np.bool_]

_NOT_IN_FORCE = -1


class AccessMasks:
    """Compiles masks of one list; R rows, K distinct (level, prefix) keys, C leaves, F functions.

    :param rows: in any order.
    """

    def __init__(self, rows: Sequence[AccessRow], leaves: Sequence[str], functions: Sequence[str]) -> None:
        self._shape = (len(leaves), len(functions), len(LEVELS))
        rows = sorted(rows, key=lambda row: (row.level, row.category))
        keys = [(row.level, row.category) for row in rows]
        numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
        key_of = np.array([numbers[key] for key in keys], dtype=np.intp)
        self._starts = np.flatnonzero(np.diff(key_of, prepend=-1))  # [K] first row of each key
        self._key_of = key_of
        self._restriction = np.array([row.restriction for row in rows], dtype=np.int8)
        self._admits = _admits(rows, functions)
        self._from = np.array([(row.valid_from or date.min).toordinal() for row in rows], dtype=np.int32)
        self._to = np.array([(row.valid_to or date.max).toordinal() for row in rows], dtype=np.int32)
        self._regions = {region: number for number, region in enumerate(dict.fromkeys(row.region for row in rows))}
        self._region = np.array([self._regions[row.region] for row in rows], dtype=np.int32)
        none = len(numbers)
        self._prefixes = {
            level: np.array(
                [[numbers.get((level, leaf[:length]), none) for length in PREFIX_LENGTHS] for leaf in leaves],
                dtype=np.intp,
            ).reshape(len(leaves), -1)
            for level in LISTS
        }  # per level [C, prefixes] keys, longest first; K: no such key

    def compile(self, regions: frozenset[str], day: date) -> Mask:
        """A[C, F, L] on `day`, read-only.

        :param regions: codes of the place and of what it lies in, as region columns say them.
        """
        worst, leads = self._per_key(self._in_force(regions, day))
        mask = np.ones(self._shape, dtype=np.bool_)
        for level, prefixes in self._prefixes.items():
            listed = worst[prefixes] != _NOT_IN_FORCE
            # Nothing listed picks the longest prefix, which then has nobody who leads
            longest = listed.argmax(axis=1)[:, None]
            mask[:, :, LEVELS.index(level)] = leads[np.take_along_axis(prefixes, longest, axis=1)[:, 0]]
        mask.flags.writeable = False
        return mask

    def _in_force(self, regions: frozenset[str], day: date) -> Mask:
        here = np.zeros(len(self._regions), dtype=np.bool_)
        here[[number for region, number in self._regions.items() if not region or region in regions]] = True
        today = day.toordinal()
        in_force: Mask = (self._from <= today) & (today <= self._to) & here[self._region]
        return in_force

    def _per_key(self, in_force: Mask) -> tuple[NDArray[np.int8], Mask]:
        """The greatest restriction of each key, [K+1], and who may lead by it, [K+1, F]; key K is no key."""
        worst = np.full(len(self._starts) + 1, _NOT_IN_FORCE, dtype=np.int8)
        leads = np.zeros((len(self._starts) + 1, self._shape[1]), dtype=np.bool_)
        if len(self._starts):
            counted = np.where(in_force, self._restriction, np.int8(_NOT_IN_FORCE))
            worst[:-1] = np.maximum.reduceat(counted, self._starts)
            deciding = in_force & (worst[self._key_of] == 0)
            leads[:-1] = np.logical_or.reduceat(self._admits & deciding[:, None], self._starts, axis=0)
        return worst, leads


def _admits(rows: Sequence[AccessRow], functions: Sequence[str]) -> Mask:
    """[R, F] `AccessRow.admits` of every row: few distinct kinds of rows admit the same functions."""
    kinds: dict[tuple[bool, str], Sequence[bool]] = {}
    for row in rows:
        kind = (row.restriction == 0, row.lead_function)
        if kind not in kinds:
            kinds[kind] = [row.admits(function) for function in functions]
    admits = [kinds[row.restriction == 0, row.lead_function] for row in rows]
    return np.array(admits, dtype=np.bool_).reshape(len(rows), len(functions))
