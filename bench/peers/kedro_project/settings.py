"""Everything as kedro has it unless told otherwise."""
