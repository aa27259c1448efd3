"""The parts of the matched grid: cells, images, and one file for each thing that is judged."""
