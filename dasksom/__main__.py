"""``python -m dasksom``."""

from dasksom.cli import main

if __name__ == "__main__":  # workers are spawned and import this again
    main()
