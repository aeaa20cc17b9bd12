"""What every web application of Laurel shares: its server, its refusals, its bounds."""
