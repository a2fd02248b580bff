"""`python -m benchmark` is `exitbench`."""

import sys

from benchmark.interface.cli import main

if __name__ == "__main__":
    sys.exit(main())
