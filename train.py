"""Train a model: `python train.py --data DATA --run-dir RUN` is the same program as `tf-symgnn train`."""

import sys

from tf_symgnn.cli import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
