"""The layout that all HTML pages share."""
