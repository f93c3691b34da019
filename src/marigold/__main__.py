"""`python -m marigold` is the `marigold` command."""

import sys

from marigold.cli import main

sys.exit(main())
