"""What the kit costs beside nothing and beside what else there is: `make bench`."""
