"""`python -m foretell` is `foretell`."""

import sys

from foretell.cli.main import main

sys.exit(main())
