"""Files under kills and full disks."""
