"""The read API in the shape of Tempo's and Loki's, for the subset the console supports."""
