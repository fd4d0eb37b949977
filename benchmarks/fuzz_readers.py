"""Read thousands of mutated structure files of every format, and report what is neither a glass nor an `InputError`.

    python benchmarks/fuzz_readers.py --number 10000

Each file has a limit of time and the process one of memory. Mutations are those of `tests/data/fuzzing.py`.
"""

from __future__ import annotations

import argparse
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.data.fuzzing import WHOLE, mutate
from tf_symgnn.data import InputError, iter_glasses

SECONDS = 10  # of a file
BYTES = 3 * 2**30  # of address space


def read(path: Path) -> str:
    """Return what becomes of a file: `glass`, `refused`, or the error."""
    signal.alarm(SECONDS)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for _ in iter_glasses(path, species=("Cu", "Zr"), keep_columns=True):
                pass
    except InputError as error:
        return "refused" if "\n" not in str(error) else "an error of several lines"
    except Exception:
        return traceback.format_exc(limit=-3)
    finally:
        signal.alarm(0)
    return "glass"


def main() -> int:
    """Return 1 if a file was neither read nor refused."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=10_000, help="mutations of each format")
    parser.add_argument("--first", type=int, default=0, help="first seed")
    args = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))
    signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(TimeoutError("too slow")))
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        for name, whole in WHOLE.items():
            path, found, start, slowest = Path(folder) / name, Counter(), time.perf_counter(), 0.0
            for seed in range(args.first, args.first + args.number):
                path.write_bytes(mutate(whole, np.random.default_rng(seed)))
                begin = time.perf_counter()
                result = read(path)
                slowest = max(slowest, time.perf_counter() - begin)
                found[result] += 1
                if result not in ("glass", "refused") and found[result] == 1:
                    print(f"{name}, seed {seed}:\n{result}")
            failed |= not set(found) <= {"glass", "refused"}
            seconds = time.perf_counter() - start
            counts = f"{found['glass']} glasses, {found['refused']} refused"
            print(f"{name}: {counts}, {seconds:.0f} s, at most {slowest:.2f} s a file", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
