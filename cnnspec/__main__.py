"""`python -m cnnspec`: the command line."""

from __future__ import annotations

from cnnspec.cli import main

if __name__ == "__main__":
    main()
