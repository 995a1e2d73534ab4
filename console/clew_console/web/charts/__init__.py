"""Charts as values for templates/chart.html: positions in percent, texts ready to show."""
