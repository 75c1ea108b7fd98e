"""`python -m rtrec.cli` is `rtrec`."""

from rtrec.cli import main

main(prog_name="rtrec")
