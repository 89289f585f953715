"""`python -m lifecycle` and the console script: the only place that exits."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and exit with its code."""
    try:
        from lifecycle.cli.app import run

        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # before the command line could take it, or a second one
        code = 130
    sys.exit(code)


if __name__ == "__main__":
    main()
