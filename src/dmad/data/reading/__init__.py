"""Reads frames from video files, image files, folders and cameras."""
