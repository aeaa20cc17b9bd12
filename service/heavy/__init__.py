"""The ports whose work runs in warm children: each call names a task, a child, and limits."""
