"""``python -m workers …`` is ``aitia …``."""

from workers.cli import main

if __name__ == "__main__":
    main()
