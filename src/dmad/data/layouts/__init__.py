"""What the folders of each known data set look like."""
