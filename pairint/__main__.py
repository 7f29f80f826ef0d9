"""Run the command line: ``python -m pairint``."""

from pairint.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
