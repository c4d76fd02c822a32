"""Frames out of video files, image files, folders and cameras."""
