"""The order in which slabs of a glass pass through the stages of a model, and the states that are kept meanwhile.

A stage reads the states of an atom's neighbors before that stage only. A slab therefore advances as soon as all slabs
around it have reached its own level. The computation is a wave, a few slabs deep, that sweeps through the glass once.
No state is computed twice, and the states behind the wave are dropped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence


class Sweep:
    """The steps (slab, level) by which every slab reaches the level that it needs.

    Level l is the state after l stages.

    Args:
        neighbors: the slabs that each slab receives pairs from, itself included; a symmetric relation.
        needed: the level that each slab must reach; 0 leaves it out.
    """

    def __init__(self, neighbors: Sequence[Sequence[int]], needed: Sequence[int]):
        self._neighbors, self._needed = neighbors, needed
        self.level = [0] * len(needed)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        for start in range(len(self._needed)):
            waiting = [start] if self._needed[start] else []
            while waiting:
                slab = waiting.pop()
                while self._may_advance(slab):
                    self.level[slab] += 1
                    yield slab, self.level[slab]
                    waiting += [other for other in self._neighbors[slab] if self.level[other]]

    def _may_advance(self, slab: int) -> bool:
        level = self.level[slab]
        # The first stage reads only the species of senders, so a slab need not wait for the slabs around it.
        return level < self._needed[slab] and (
            level == 0 or all(self.level[other] >= level for other in self._neighbors[slab])
        )

    def outdated(self, slab: int) -> list[tuple[int, int]]:
        """Return the states (slab, level) that no later step reads, after a slab has advanced."""
        level = self.level[slab] - 1
        return [(other, level) for other in self._neighbors[slab] if level and self._was_read_by_all(other, level)]

    def _was_read_by_all(self, slab: int, level: int) -> bool:
        return all(self.level[reader] > level or self._needed[reader] <= level for reader in self._neighbors[slab])


def needed_levels(neighbors: Sequence[Sequence[int]], unfinished: Sequence[bool], depth: int) -> list[int]:
    """Return the level that each slab must reach so that all unfinished slabs reach `depth`.

    The level decreases with the distance from the nearest unfinished slab.

    Args:
        neighbors: as for `Sweep`.
        unfinished: whether the barriers of each slab are needed.
        depth: number of stages.
    """
    needed = [depth if wanted else 0 for wanted in unfinished]
    for level in range(depth - 1, 0, -1):
        read = {other for slab, its in enumerate(needed) if its > level for other in neighbors[slab]}
        needed = [max(its, level) if slab in read else its for slab, its in enumerate(needed)]
    return needed
