"""`python -m netlift`: the command line."""

from netlift.cli import main

if __name__ == "__main__":
    main()
