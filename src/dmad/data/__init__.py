"""Where frames, images and labels come from."""
