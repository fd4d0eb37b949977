"""Devices and machines that train together, by tf.distribute."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property

import tensorflow as tf

from tf_symgnn.config import RunConfig
from tf_symgnn.data import InputError, as_input_error
from tf_symgnn.errors import require_integer
from tf_symgnn.graph import ReplicaSlice
from tf_symgnn.training.checkpointing import TrainingStopped

_CLUSTER = "TF_CONFIG"
# A step takes seconds; a worker that has not answered for so long is gone.
_COLLECTIVE_TIMEOUT = 300  # s


class Workers:
    """The processes that train a run together, and this one's part in it; one process without `multiworker`.

    Args:
        config: of the run.

    Raises:
        InputError: TF_CONFIG does not describe a cluster, or training several machines would end by time.
    """

    def __init__(self, config: RunConfig):
        self._several_machines = config.strategy == "multiworker"
        if self._several_machines and config.minutes is not None:
            found = f"{config.minutes:g} with strategy multiworker"
            raise InputError("configuration", "minutes", found, "epochs, which all machines agree on")
        self.is_chief = not self._several_machines or _is_chief(_cluster())
        self._batch_size = config.stream.batch_size
        self._name = config.strategy

    @cached_property
    def strategy(self) -> tf.distribute.Strategy:
        """Return the strategy of the run; the workers meet on first use, before which nothing may be computed.

        Raises:
            InputError: the batch cannot be divided among the replicas.
            TrainingStopped: another worker is not there.
        """
        with self.reraise_worker_loss():
            strategy = _STRATEGIES[self._name]()
        replicas = strategy.num_replicas_in_sync
        if self._batch_size % replicas:
            raise InputError(
                "configuration", "stream.batch_size", self._batch_size, f"a multiple of {replicas} replicas"
            )
        return strategy

    @contextmanager
    def agree(self) -> Iterator[None]:
        """Continue after the block only if no worker raised an error in it.

        Raises:
            InputError: of the block, after the other workers were notified; or the batch cannot be divided among the
                replicas.
            TrainingStopped: another worker refused its block, or is not there.
        """
        refusal = None
        try:
            yield
        except (InputError, OSError) as error:
            if not self._several_machines:
                raise
            refusal = error
        try:
            if self._any(refusal is not None):
                with suppress(TrainingStopped):
                    self._any(False)  # a worker must not exit before all others have received the refusal
                raise TrainingStopped("another worker was refused: its own message says why")
        except TrainingStopped as stopped:
            raise refusal or stopped from None

    @property
    def distributed(self) -> bool:
        """Return whether there are other replicas, or might be."""
        return self._name != "none"

    def shared(self, dataset: Callable[[ReplicaSlice], tf.data.Dataset]) -> tf.data.Dataset:
        """Return this process's part of a dataset, from a function of its slice of every batch."""
        if not self.distributed:
            return dataset(ReplicaSlice())

        def own(context: tf.distribute.InputContext) -> tf.data.Dataset:
            local = context.num_replicas_in_sync // context.num_input_pipelines
            return dataset(ReplicaSlice(context.input_pipeline_id * local, local, context.num_replicas_in_sync))

        return self.strategy.distribute_datasets_from_function(own)

    @contextmanager
    def reraise_worker_loss(self) -> Iterator[None]:
        """Raise the loss of another worker inside the block as an error of one line.

        Raises:
            TrainingStopped: another worker is gone.
        """
        try:
            yield
        except tf.errors.OpError as error:
            if not self._several_machines:
                raise
            raise TrainingStopped(
                f"another worker is gone ({type(error).__name__}); once all are started again with --resume, the run "
                "goes on from its last finished epoch"
            ) from error

    def _any(self, flag: bool) -> bool:
        """Return whether a flag is raised by any of the workers."""
        strategy = self.strategy
        if not self._several_machines:
            return flag

        def number() -> tf.Tensor:
            return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, tf.constant(float(flag)))

        with self.reraise_worker_loss():
            numbers = tf.function(lambda: strategy.run(number))()
            return bool(strategy.experimental_local_results(numbers)[0] > 0)


def _cluster() -> dict:
    """Return TF_CONFIG, checked.

    Raises:
        InputError: it does not describe a cluster and the place of this process in it.
    """
    text = os.environ.get(_CLUSTER, "")
    expected = '{"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker", "index": 0}}'
    with as_input_error("environment", _CLUSTER, expected):
        cluster = json.loads(text)
        kind, index = cluster["task"]["type"], cluster["task"]["index"]
        # An index may be text, as shells write it.
        number = int(index) if isinstance(index, str) else index
        require_integer("environment", f"{_CLUSTER} task index", number, least=0)
        jobs = cluster["cluster"]
        addresses = [address for job in jobs.values() for address in job]
        if not (set(jobs) <= {"chief", "worker"} and all(map(_is_address, addresses)) and number < len(jobs[kind])):
            raise InputError("environment", _CLUSTER, text, "addresses of a chief and of workers, or of workers alone")
    return cluster


def _is_address(value: object) -> bool:
    """Return whether a value is text of the form `host:port`."""
    host, _, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    return bool(host) and port.isdecimal() and int(port) < 2**16


def _is_chief(cluster: dict) -> bool:
    task = cluster["task"]
    return task["type"] == "chief" or ("chief" not in cluster["cluster"] and int(task["index"]) == 0)


def _multiworker() -> tf.distribute.Strategy:
    options = tf.distribute.experimental.CommunicationOptions(timeout_seconds=_COLLECTIVE_TIMEOUT)
    return tf.distribute.MultiWorkerMirroredStrategy(communication_options=options)


_STRATEGIES = {
    "none": tf.distribute.get_strategy,
    "mirrored": tf.distribute.MirroredStrategy,
    "multiworker": _multiworker,
}
