"""`python -m hems` is the command `hems`."""

from hems.cli import main

main()
