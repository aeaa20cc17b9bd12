"""The story that `laurel demo` plays on the Ames house sales."""
