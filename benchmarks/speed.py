#!/usr/bin/env python3
"""Time and memory of SymGNN on one glass: training step, prediction, commands and scaling, optionally against a peer.

    python benchmarks/speed.py --glass train0.pickle
    python benchmarks/speed.py --glass train0.pickle --peer PEER/bin/python --peer-script benchmarks/peers/symgnn_dgl.py

Each figure is the median of several calls in a separate process, which also measures its peak memory. Kernels and peer
take turns for several rounds, and the median round is printed, so that a slow period of the machine affects all of
them. `taskset -c 0,1` before the command restricts all to two cores. Commands are timed from start to end.

The peer is another implementation, as those in benchmarks/peers. Its script takes an npz file of positions, box, types
and barrier, and prints JSON with train_step_s, predict_s and peak_memory_gb.

Prints Markdown tables and writes `figures/scaling.png` beside this file.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import pty
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

DENSITY = 0.063  # atoms / A^3, of Cu64Zr36
CUTOFF = 5.0  # A
SCALING = (1000, 2000, 4000, 8000, 16000, 32000, 64000)  # atoms
PEER_SETTINGS = {"distribution": "uniform", "transforms": 4}  # those of the peer
TRAINING_GLASSES = 6  # and one for validation, as in the published data
MODELS = ("symgnn_spectral", "symgnn")  # the default and the published architecture
MINUTES = 2.0  # training time of runs with the default configuration of each model
FURTHER = 5  # additional glasses of a command, for the time per additional glass
REPEATS = 5
ROUNDS = 3
ON_THE_HOST = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}


def median_seconds(run: Callable[[], object], repeats: int = REPEATS) -> float:
    """Return the median seconds of a call, after one call to warm up."""
    run()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def random_glass(n_atoms: int):
    """Return atoms at random positions at the density of Cu64Zr36, with the same mean number of neighbors."""
    from tf_symgnn.data import Glass

    rng = np.random.default_rng(n_atoms)
    edge = (n_atoms / DENSITY) ** (1 / 3)
    return Glass(
        positions=rng.random((n_atoms, 3)) * edge,
        cell=np.eye(3) * edge,
        pbc=(True, True, True),
        species=np.where(rng.random(n_atoms) < 0.64, "Cu", "Zr"),
        barrier=rng.normal(1.6, 0.3, n_atoms),
        source=f"{n_atoms} atoms",
    )


def load(glass: str):
    """Return the first glass of a file, or a random glass if `glass` is a number of atoms."""
    from tf_symgnn.data import read_glasses

    if glass.isdigit():
        return random_glass(int(glass))
    return next(member for members in read_glasses(glass).values() for member in members)


def measure(what: str, glass: str, kernel: str) -> dict:
    """Return the seconds of a task with one kernel, the number of pairs, and the peak memory of this process."""
    import tf_symgnn  # noqa: F401  (selects Keras 2)
    from tf_symgnn import runtime
    from tf_symgnn.graph import build_graph, to_graph_tensor
    from tf_symgnn.models.catalog import is_chunked

    runtime.configure(chunked=is_chunked("symgnn"))
    loaded = load(glass)
    if what == "graph":
        return {"seconds": median_seconds(lambda: build_graph(loaded, cutoff=CUTOFF, self_loops=True))}
    graph = build_graph(loaded, cutoff=CUTOFF, self_loops=True)
    seconds = measure_model(what, to_graph_tensor(graph), graph.barrier, kernel)
    return {"seconds": seconds, "gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, "edges": graph.n_pairs}


def measure_model(what: str, graph, barrier: np.ndarray, kernel: str) -> float:
    """Return the seconds of a training step or of a prediction."""
    import tensorflow as tf

    from tf_symgnn.models.symgnn import SymGNN

    model = SymGNN(species=(29, 40), label_mean=1.6, label_std=0.3, kernel=kernel, **PEER_SETTINGS)
    model(graph)
    optimizer = tf.keras.optimizers.Adam(1e-3)

    @tf.function(reduce_retracing=True)
    def step() -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(graph, training=True) - barrier))
        variables = model.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return loss

    predict = tf.function(lambda: model(graph, training=False))
    return median_seconds(step if what == "train" else predict)


def in_own_process(what: str, glass: str, kernel: str = "chunked") -> dict:
    """Return the result of `measure` in a separate process."""
    command = [sys.executable, __file__, "--measure", what, "--glass", glass, "--kernel", kernel]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ | ON_THE_HOST)
    return json.loads(done.stdout.splitlines()[-1])


def measure_peer(python: str, script: str, glass: str) -> dict:
    """Return the results of the peer's script for a glass."""
    loaded = load(glass)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "glass.npz"
        types = np.unique(loaded.atomic_numbers, return_inverse=True)[1]
        np.savez(path, positions=loaded.positions, box=np.diag(loaded.cell), types=types, barrier=loaded.barrier)
        done = subprocess.run([python, script, str(path)], check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def compare(glass: str, plain: bool, peer: Callable[[], dict] | None) -> list[str]:
    """Return the table of training step, prediction and memory, with ratios to those of the peer."""
    rounds: dict[str, list[tuple[float, ...]]] = {}
    for _ in range(ROUNDS):
        for kernel in ["chunked"] + (["reference"] if plain else []):
            train, predict = (in_own_process(what, glass, kernel) for what in ("train", "predict"))
            rounds.setdefault(f"tf_symgnn, {kernel}", []).append((train["seconds"], predict["seconds"], train["gb"]))
        if peer:
            result = peer()
            row = (result["train_step_s"], result["predict_s"], result["peak_memory_gb"])
            rounds.setdefault("peer", []).append(row)
    lines = ["| | training step, s | prediction, s | peak memory of training, GB |", "|---|---|---|---|"]
    for name, rows in rounds.items():
        lines.append(f"| {name} | " + " | ".join(f"{x:.2f}" for x in np.median(rows, axis=0)) + " |")
    if peer:
        ratios = np.array(rounds["peer"]) / np.array(rounds["tf_symgnn, chunked"])
        middle, low, high = np.median(ratios, axis=0), ratios.min(axis=0), ratios.max(axis=0)
        faster = [f"{middle[k]:.2f} ({low[k]:.2f} to {high[k]:.2f}) x faster" for k in (0, 1)]
        memory = f"{1 / middle[2]:.0%} ({1 / high[2]:.0%} to {1 / low[2]:.0%})"
        lines.append(f"| chunked against peer, {ROUNDS} rounds | {faster[0]} | {faster[1]} | {memory} |")
    return lines


def commands(glass: str) -> list[str]:
    """Return the times of commands: start-up, time outside training steps, one file, and each further glass."""
    import csv

    from tf_symgnn.data import write_glasses

    loaded = load(glass)
    with tempfile.TemporaryDirectory() as folder:
        data, run = Path(folder) / "data", Path(folder) / "run"
        data.mkdir()
        for stem in (*(f"train{k}" for k in range(TRAINING_GLASSES)), "val0"):
            write_glasses(data / f"{stem}.xyz", [loaded])
        file, files = data / "val0.xyz", Path(folder) / "files.xyz"
        write_glasses(files, [loaded] * (1 + FURTHER))
        trained = {}
        for model in MODELS:
            arguments = (f"--data={data}", f"--run_dir={run / model}", f"--model={model}", f"--minutes={MINUTES}")
            start = seconds_to_first_step("train", *arguments)
            with (run / model / "history.csv").open(newline="") as history:
                rows = list(csv.DictReader(history))[1:]
            in_steps, in_all = (sum(float(row[name]) for row in rows) for name in ("step_seconds", "seconds"))
            trained[model] = f"{start:.1f} s", f"{1 - in_steps / in_all:.1%} of {len(rows)} epochs after the first"
        one, more = (
            seconds_of_command("predict", str(run / MODELS[0]), str(path), f"--output={folder}/{path.stem}.out.xyz")
            for path in (file, files)
        )
    return [
        f"Training for {MINUTES:g} minutes on {TRAINING_GLASSES} glasses of {loaded.n_atoms} atoms, one to validate:",
        "",
        "| | start to the end of the first training step | time outside training steps |",
        "|---|---|---|",
        *(f"| `{model}` | {start} | {outside} |" for model, (start, outside) in trained.items()),
        "",
        f"`tf-symgnn predict` with `{MODELS[0]}`, one file, from start to end: {one:.1f} s; each further glass in the "
        f"same process, with reading and writing: {(more - one) / FURTHER:.2f} s.",
    ]


def seconds_to_first_step(*arguments: str) -> float:
    """Run a `tf-symgnn train` command, and return the seconds until its progress bar shows the first step.

    The command writes to a pseudo-terminal: elsewhere, progress is one line per minute.
    """
    start, shown, seconds = time.perf_counter(), b"", None
    command = [sys.executable, "-m", "tf_symgnn.cli", *arguments]
    terminal, end_of_process = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 80))
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=end_of_process, env=os.environ | ON_THE_HOST
    ) as process:
        os.close(end_of_process)
        with contextlib.suppress(OSError), open(terminal, "rb", buffering=0) as output:  # EIO: the process has ended
            while part := output.read(4096):
                shown += part
                if seconds is None and re.search(rb"\b1(/\d+|step) \[", shown):
                    seconds = time.perf_counter() - start
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, stderr=shown.decode())
    if seconds is None:
        raise RuntimeError(f"no training step: {shown.decode()}")
    return seconds


def seconds_of_command(*arguments: str) -> float:
    """Run a `tf-symgnn` command, and return its wall-clock seconds."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "tf_symgnn.cli", *arguments]
    subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ | ON_THE_HOST)
    return time.perf_counter() - start


def scale(plot: Path) -> list[str]:
    """Write the plot of time against number of atoms, and return its table."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    rows = []
    for n in SCALING:
        train, predict, graph = (in_own_process(what, str(n)) for what in ("train", "predict", "graph"))
        rows.append((n, train["edges"], train["seconds"], predict["seconds"], graph["seconds"], train["gb"]))
    columns = np.array(rows).T
    figure, axes = plt.subplots(figsize=(5, 4), layout="constrained")
    for seconds, label in zip(columns[2:5], ("training step", "prediction", "neighbor list and graph"), strict=True):
        axes.loglog(columns[0], seconds, "o-", label=label)
    axes.loglog(columns[0], columns[2, 0] * columns[0] / columns[0, 0], "k:", label="linear")
    axes.set(xlabel="atoms", ylabel="seconds")
    axes.legend()
    figure.savefig(plot, dpi=150)
    lines = [
        "| atoms | pairs | training step, s | prediction, s | graph, s | peak memory, GB |",
        "|---|---|---|---|---|---|",
    ]
    return lines + ["| {} | {} | {:.2f} | {:.2f} | {:.2f} | {:.2f} |".format(*row) for row in rows]


def machine() -> str:
    """Return the machine and package versions, in one line."""
    from importlib.metadata import version

    from tf_symgnn import runtime

    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    cpu = next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), "")
    packages = ", ".join(f"{name} {version(name)}" for name in ("tensorflow", "tensorflow-gnn", "tf-keras", "numpy"))
    processor = f"{cpu or platform.processor()}, {runtime.usable_cores()} cores"
    return f"{processor}; Python {platform.python_version()}, {packages}"


def main() -> None:
    """Run the measurements that the flags select."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--glass", required=True, help="structure file with labels, of about 8000 atoms")
    parser.add_argument("--peer", help="the peer's Python")
    parser.add_argument("--peer-script", help="the peer's benchmark script")
    parser.add_argument("--plain", action="store_true", help="also measure the kernel `reference`")
    parser.add_argument("--no-scaling", action="store_true", help="skip the measurement of 1000 to 64000 atoms")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    parser.add_argument("--kernel", default="chunked", help=argparse.SUPPRESS)
    flags = parser.parse_args()
    if bool(flags.peer) != bool(flags.peer_script):
        parser.error("--peer and --peer-script go together")
    if flags.measure:
        print(json.dumps(measure(flags.measure, flags.glass, flags.kernel)))
        return
    peer = partial(measure_peer, flags.peer, flags.peer_script, flags.glass) if flags.peer else None
    print("## Speed", machine(), "", *compare(flags.glass, flags.plain, peer), sep="\n", flush=True)
    print(f"\nNeighbor list and graph: {in_own_process('graph', flags.glass)['seconds']:.2f} s.")
    print("", *commands(flags.glass), sep="\n", flush=True)
    if not flags.no_scaling:
        print(
            "\n![Cost against number of atoms](figures/scaling.png)\n",
            *scale(Path(__file__).parent / "figures" / "scaling.png"),
            sep="\n",
        )


if __name__ == "__main__":
    main()
