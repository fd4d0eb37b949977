"""Notices about input, printed in one line each, and counted where there are many."""

from __future__ import annotations

import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm

from tf_symgnn.data import InputNotice

PRINTED = 3  # notices of one field; further ones are counted


@contextmanager
def printed_notices() -> Iterator[None]:
    """Print the notices of the block on standard error, beside a progress bar, and the number of those left out."""
    counted: Counter[str] = Counter()
    seen: set[str] = set()
    show = warnings.showwarning

    def print_notice(message, category, *args, **kwargs) -> None:
        if not issubclass(category, InputNotice):
            show(message, category, *args, **kwargs)
        elif str(message) not in seen:
            seen.add(str(message))
            counted[message.field] += 1
            if counted[message.field] <= PRINTED:
                tqdm.write(f"tf-symgnn: note: {message}", sys.stderr)

    with warnings.catch_warnings():
        warnings.simplefilter("always", InputNotice)
        warnings.showwarning = print_notice
        try:
            yield
        finally:
            for field, number in counted.items():
                if number > PRINTED:
                    print(f"tf-symgnn: note: {number - PRINTED} more like it of {field}", file=sys.stderr)
