"""`python -m mlc_cli` is `mlc`."""

from mlc_cli.app import main

main()
