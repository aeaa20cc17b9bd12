"""DVC: the datasets' bytes as objects of its format, through the library below `dvc add` and `dvc push`."""
