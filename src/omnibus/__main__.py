"""Run the command line: ``python -m omnibus``."""

from omnibus.cli import main

if __name__ == "__main__":
    main(prog_name="omnibus")
