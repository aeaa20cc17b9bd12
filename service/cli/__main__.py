"""`python -m service.cli` is `laurel`."""

from service.cli.main import main

main()
