"""`dmad predict`: scores videos or images, and writes tables, pictures and annotated videos."""
