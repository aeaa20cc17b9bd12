"""What every web application shares."""
