"""The six steps as a project of kedro; each file has the name that kedro looks for."""
