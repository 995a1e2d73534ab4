"""`python -m clew_console`."""

import sys

from clew_console.cli import main

sys.exit(main())
