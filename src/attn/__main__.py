"""`python -m attn` is the `attn` command."""

from .cli import main

if __name__ == "__main__":
    main()
