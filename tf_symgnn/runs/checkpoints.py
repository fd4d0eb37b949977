"""The checkpoints of a run: numbered files, and records that name those that belong together.

state-7.json      what training continues from after 7 epochs; names the files below
epoch-7.*         weights and optimizer after 7 epochs
best-5.*          weights of the best of these epochs
weights.json      what a finished run predicts with; names the file below
final-7.*         the best weights

A record is replaced in one step, after all files that it names are on disk, and holds their checksums. Nothing that a
record names is overwritten. So a process that is killed at any moment leaves a whole state or none.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import tensorflow as tf

from tf_symgnn.data import InputError, as_input_error, file_digest, sync
from tf_symgnn.models.base import BarrierModel
from tf_symgnn.runs.records import read_record, write_record

# The last state and the one before, to which a run falls back if the last is damaged.
KEPT_STATES = 2


@dataclass(frozen=True)
class State:
    """What the next epoch depends on, beside the variables.

    Attributes:
        epochs: number of finished epochs.
        best_epoch: epoch of the best weights, from 0; -1 before the first.
        best_pearson: validation Pearson of the best weights.
        history: a row per finished epoch.
    """

    epochs: int = 0
    best_epoch: int = -1
    best_pearson: float = -1.0
    history: list[dict] = field(default_factory=list)

    def exhausted(self, patience: int | None) -> bool:
        """Return whether so many epochs have passed without a better one; None never ends a run."""
        return patience is not None and self.epochs - 1 - max(self.best_epoch, 0) >= patience

    @property
    def training_prefix(self) -> str:
        """Return the name of the checkpoint of weights and optimizer."""
        return f"epoch-{self.epochs}"

    @property
    def best_prefix(self) -> str:
        """Return the name of the checkpoint of the best weights."""
        return f"best-{self.best_epoch + 1}"


class Checkpoints:
    """The checkpoints of one run.

    Args:
        folder: `checkpoints` of the run's folder, which need not exist.

    Attributes:
        weights_record: the record of the weights that a finished run predicts with.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.weights_record = folder / "weights.json"

    def save(self, state: State, variables: tf.train.Checkpoint, model: BarrierModel) -> None:
        """Store the state after an epoch, and drop those that are no longer needed.

        Args:
            state: after the epoch.
            variables: all that the next epoch depends on.
            model: stored too if this epoch is the best so far.
        """
        self._write(variables, state.training_prefix)
        if state.best_epoch == state.epochs - 1:
            self._write(tf.train.Checkpoint(model=model), state.best_prefix)
        prefixes = (state.training_prefix, state.best_prefix)
        write_record(self._record_of(state.epochs), asdict(state) | {"files": self._checksums(*prefixes)})
        self.remove_unneeded()

    def latest(self) -> State:
        """Return the newest undamaged state; that before the first epoch if none is stored.

        A line on standard error names a damaged newer one.

        Raises:
            InputError: all stored states are damaged.
        """
        damages = []
        for number in self._states():
            try:
                state = self._read(number)
            except InputError as damage:
                damages.append(damage)
                continue
            if damages:
                print(f"tf-symgnn: {damages[0]}; using the state after epoch {number}", file=sys.stderr)
            return state
        if damages:
            raise damages[0]
        return State()

    def restore(self, state: State, variables: tf.train.Checkpoint) -> None:
        """Restore what `save` stored with a state.

        Raises:
            InputError: it is that of another model, as one of an earlier version may be.
        """
        prefix = self.folder / state.training_prefix
        expected = "the state that training wrote, by this version, for the model of config.yaml"
        with as_input_error(prefix, "checkpoint", expected):
            variables.read(str(prefix)).assert_consumed()

    def save_final(self, state: State, model: BarrierModel) -> None:
        """Store the weights that a finished run predicts with."""
        number = max((int(path.stem.split("-")[1]) for path in self.folder.glob("final-*.index")), default=0) + 1
        prefix = f"final-{number}"
        self._write(tf.train.Checkpoint(model=model), prefix)
        write_record(self.weights_record, {"prefix": prefix, "epochs": state.epochs, "files": self._checksums(prefix)})
        self.remove_unneeded()

    def has_final(self, state: State) -> bool:
        """Return whether `save_final` has stored undamaged weights for a state."""
        with suppress(InputError):
            return self.weights_record.exists() and self._read_final()[1] == state.epochs
        return False

    def weights(self) -> Path | None:
        """Return the prefix of the weights to predict with, or None before the first epoch.

        They are those of `save_final`, or of a run that is not finished its best ones so far.

        Raises:
            InputError: they are damaged.
        """
        if self.weights_record.exists():
            return self._read_final()[0]
        state = self.latest()
        return self.folder / state.best_prefix if state.epochs else None

    def load_best(self, state: State, model: BarrierModel) -> None:
        """Restore the best weights of a state into a model.

        Raises:
            InputError: they are damaged or of another model.
        """
        self.load_weights(model, self.folder / state.best_prefix)

    def load_weights(self, model: BarrierModel, prefix: Path) -> None:
        """Restore weights into a model of the run's configuration, built or not.

        Raises:
            InputError: they are damaged or of another model.
        """
        try:
            status = tf.train.Checkpoint(model=model).read(str(prefix))
            # Both, because a model without one of the stored layers would predict other numbers without an error.
            status.assert_existing_objects_matched().assert_consumed()
        except (ValueError, AssertionError, IndexError, tf.errors.OpError) as error:
            expected = "the weights that training wrote, by this version, for the model of config.yaml"
            raise InputError(prefix, "weights", type(error).__name__, expected) from error

    def remove_unneeded(self) -> None:
        """Remove what no record names: earlier states, and files that a killed process did not finish."""
        if not self.folder.is_dir():
            return
        needed = {self.weights_record}
        for number in self._states()[:KEPT_STATES]:
            needed |= {self._record_of(number), *self._named_files(self._record_of(number))}
        needed |= set(self._named_files(self.weights_record))
        for path in set(self.folder.iterdir()) - needed:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()

    def _record_of(self, epochs: int) -> Path:
        return self.folder / f"state-{epochs}.json"

    def _states(self) -> list[int]:
        """Return the epochs of the stored states, newest first."""
        numbers = (path.stem.removeprefix("state-") for path in self.folder.glob("state-*.json"))
        return sorted((int(number) for number in numbers if number.isdecimal()), reverse=True)

    def _read(self, epochs: int) -> State:
        """Return a state whose files are undamaged.

        Raises:
            InputError: it is damaged.
        """
        record = self._read_whole(self._record_of(epochs))
        with as_input_error(self._record_of(epochs), "record", "the record that training wrote"):
            return State(**record)

    def _read_final(self) -> tuple[Path, int]:
        """Return the prefix of the final weights, which are undamaged, and the number of epochs before them.

        Raises:
            InputError: they are damaged.
        """
        record = self._read_whole(self.weights_record)
        with as_input_error(self.weights_record, "record", "the record that training wrote"):
            return self.folder / record["prefix"], record["epochs"]

    def _read_whole(self, path: Path) -> dict:
        """Return a record, without the checksums of its files, all of which are undamaged."""
        record = read_record(path)
        with as_input_error(path, "record", "the record that training wrote"):
            for name, checksum in record.pop("files").items():
                file = self.folder / name
                found = file_digest(file) if file.is_file() else None
                if found != checksum:
                    found = "a damaged file" if found else "no file"
                    raise InputError(file, "weights", found, "what training wrote; train --resume may restore it")
        return record

    def _write(self, checkpoint: tf.train.Checkpoint, prefix: str) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            checkpoint.write(str(self.folder / prefix))
        except tf.errors.OpError as error:
            # Such as of a full disk: the path of a temporary file, the reason and the operation.
            reason = error.message.split("; ")[-1].partition(" [Op:")[0]
            raise OSError(f"{self.folder / prefix}: {reason}") from error
        for path in self._files(prefix):
            sync(path)
        sync(self.folder)

    def _files(self, *prefixes: str) -> Iterator[Path]:
        for prefix in prefixes:
            yield from sorted(path for path in self.folder.glob(f"{prefix}.*") if path.is_file())

    def _checksums(self, *prefixes: str) -> dict[str, str]:
        return {path.name: file_digest(path) for path in self._files(*prefixes)}

    def _named_files(self, record: Path) -> list[Path]:
        with suppress(InputError), as_input_error(record, "record", "the record that training wrote"):
            return [self.folder / name for name in read_record(record)["files"]]
        return []
