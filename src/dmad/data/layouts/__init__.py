"""Finds and loads the clips, images and labels of each known data set."""
