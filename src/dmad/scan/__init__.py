"""`dmad scan`: an archive judged on all cores of a machine or on a Ray cluster, resumable."""
