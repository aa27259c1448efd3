"""Other classifiers beside integer files, under the same noise."""
