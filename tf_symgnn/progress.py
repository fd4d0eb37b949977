"""Progress bars: on a terminal a bar, elsewhere a line a minute."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from time import monotonic

from tqdm import tqdm

LOG_INTERVAL = 60.0  # s


class _Lines(tqdm):
    """A bar of which a log has one line a minute, and one at its end; a bar of less than a minute prints none."""

    _shown: float | None = None  # when the last line was printed, or the bar was made
    _silent = True

    def display(self, msg: str | None = None, pos: int | None = None) -> bool:
        """Print a line if one is due. tqdm calls this for every change, and with an empty text to hide the bar."""
        now = monotonic()
        self._shown = now if self._shown is None else self._shown
        if msg is None and now - self._shown >= LOG_INTERVAL:
            self._print(now)
        return True

    def clear(self, nolock: bool = False) -> None:
        """Do nothing, since lines stay where they are."""

    def close(self) -> None:
        """Print the last line."""
        if not self.disable:
            self.disable = True  # as the bar of tqdm is afterwards
            self._decr_instances(self)
            if not self._silent:
                self._print(monotonic())

    def _print(self, now: float) -> None:
        self._shown, self._silent = now, False
        self.fp.write(f"{self}\n")
        self.fp.flush()


def progress_bar(
    items: Iterable | None = None,
    *,
    unit: str,
    total: float | None = None,
    initial: float = 0,
    title: str | None = None,
    scaled: bool = False,
    disable: bool = False,
) -> tqdm:
    """Return a bar on standard error, which is closed at the end of a `with` block or of its items.

    Args:
        items: to iterate over; None for a bar that is updated by hand.
        unit: of what is counted.
        total: number of them; None if it is unknown.
        initial: those of earlier processes.
        title: printed before the bar.
        scaled: whether large numbers are abbreviated, as in 1.2M.
        disable: whether nothing is shown.
    """
    terminal = sys.stderr.isatty()
    return (tqdm if terminal else _Lines)(
        items,
        unit=unit,
        total=total,
        initial=initial,
        desc=title,
        unit_scale=scaled,
        disable=disable,
        mininterval=1.0,
        # Without a terminal there is no width, and a log needs the numbers only.
        dynamic_ncols=terminal,
        ncols=None if terminal else 0,
    )
