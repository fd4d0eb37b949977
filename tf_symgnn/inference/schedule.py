"""In which order slabs of a glass go through the layers of a model, and what is held meanwhile.

A layer of message passing needs of an atom's neighbours only their states before it. So a slab goes through a layer as
soon as the slabs around it have come as far as it has: a wave that sweeps through the glass once, a few slabs deep.
Nothing is computed twice, and what lies behind the wave is dropped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence


class Sweep:
    """The steps (slab, level) by which every slab reaches the level that is needed of it; level l is after l layers.

    Args:
        neighbours: for each slab those that it hears from, itself among them; a symmetric relation.
        needed: the level that each slab must reach; 0 leaves it out.
    """

    def __init__(self, neighbours: Sequence[Sequence[int]], needed: Sequence[int]):
        self._neighbours, self._needed = neighbours, needed
        self.level = [0] * len(needed)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        for start in range(len(self._needed)):
            waiting = [start] if self._needed[start] else []
            while waiting:
                slab = waiting.pop()
                while self._may_advance(slab):
                    self.level[slab] += 1
                    yield slab, self.level[slab]
                    waiting += [other for other in self._neighbours[slab] if self.level[other]]

    def _may_advance(self, slab: int) -> bool:
        level = self.level[slab]
        # The first layer takes atoms as they are encoded, which needs their species only.
        return level < self._needed[slab] and (
            level == 0 or all(self.level[other] >= level for other in self._neighbours[slab])
        )

    def outdated(self, slab: int) -> list[tuple[int, int]]:
        """What nobody will read any more, as (slab, level), now that a slab has advanced."""
        level = self.level[slab] - 1
        return [(other, level) for other in self._neighbours[slab] if level and self._was_read_by_all(other, level)]

    def _was_read_by_all(self, slab: int, level: int) -> bool:
        return all(self.level[reader] > level or self._needed[reader] <= level for reader in self._neighbours[slab])


def needed_levels(neighbours: Sequence[Sequence[int]], unfinished: Sequence[bool], depth: int) -> list[int]:
    """The level that each slab must reach so that unfinished ones reach `depth`: less, the further it is from them."""
    needed = [depth if wanted else 0 for wanted in unfinished]
    for level in range(depth - 1, 0, -1):
        read = {other for slab, own in enumerate(needed) if own > level for other in neighbours[slab]}
        needed = [max(own, level) if slab in read else own for slab, own in enumerate(needed)]
    return needed
