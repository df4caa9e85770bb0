"""`python -m taskconsole`."""

from taskconsole.cli import main

main()
