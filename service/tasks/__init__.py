"""What child processes are asked to do; each task is called by its import path, plain values in and out."""
