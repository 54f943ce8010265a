"""`python -m ligan`."""

import sys

from ligan.cli.main import main

sys.exit(main(sys.argv[1:]))
