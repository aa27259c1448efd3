"""Whether pages can be read by everybody: axe-core in headless Chromium."""
