"""``python -m callboard``: the same as the ``callboard`` command."""

from callboard.cli.main import main

main(prog_name="callboard")
