"""What a reader finds in one frame of a file, and the glass that it makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tf_symgnn.data.boxes import complete_box
from tf_symgnn.data.glass import Glass, place
from tf_symgnn.data.options import ReadOptions
from tf_symgnn.data.plausibility import note_empty_faces


@dataclass(frozen=True)
class Frame:
    """The content of one frame; fields are those of `Glass`, unchecked.

    Attributes:
        pbc: periodicity, or None where the file does not state it.
        columns: all other columns, of which a glass keeps what is asked for.
    """

    positions: np.ndarray
    cell: np.ndarray
    pbc: Sequence[bool] | None
    species: np.ndarray
    barrier: np.ndarray | None = None
    events: np.ndarray | None = None
    spread: np.ndarray | None = None
    origin: Sequence[float] = (0.0, 0.0, 0.0)
    ids: np.ndarray | None = None
    step: int | None = None
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)


def to_glass(content: Frame, options: ReadOptions, path: Path, frame: int | None) -> Glass:
    """Return the glass of a frame.

    Args:
        content: the frame.
        options: how it is read.
        path: the file.
        frame: the frame's index, or None of a file of one.

    Raises:
        InputError: a field is invalid.
    """
    pbc = next((pbc for pbc in (options.pbc, content.pbc) if pbc is not None), (True, True, True))
    cell, origin = complete_box(place(path, frame), content.cell, pbc, content.positions, content.origin)
    glass = Glass(
        positions=content.positions,
        cell=cell,
        pbc=pbc,
        species=content.species,
        barrier=content.barrier,
        source=path,
        frame=frame,
        origin=origin,
        ids=content.ids,
        step=content.step,
        events=content.events,
        spread=content.spread,
        columns=content.columns if options.keep_columns else {},
    )
    if options.pbc is None and content.pbc is None and not frame:
        note_empty_faces(glass)
    return glass
