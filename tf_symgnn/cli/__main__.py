"""`python -m tf_symgnn.cli`: the same as `tf-symgnn`."""

import sys

from tf_symgnn.cli import main

if __name__ == "__main__":
    sys.exit(main())
