"""`python -m service.cli` is `laurel`."""

from service.cli import main

main()
