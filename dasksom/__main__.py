"""The command ``dasksom``, and ``python -m dasksom``."""

import sys
from importlib import import_module


def main() -> None:
    """Run the command line; a Ctrl-C while its modules are imported ends it in one line, too."""
    try:
        import_module("dasksom.cli.startup").own_process()
        command = import_module("dasksom.cli.main")
    except KeyboardInterrupt:
        sys.stderr.write("dasksom: interrupted\n")
        sys.exit(130)
    command.main()


if __name__ == "__main__":  # workers are spawned and import this again
    main()
