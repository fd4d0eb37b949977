"""`python -m tf_symgnn.cli` runs the same program as `tf-symgnn`."""

import sys

from tf_symgnn.cli import main

if __name__ == "__main__":
    sys.exit(main())
