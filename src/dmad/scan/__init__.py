"""`dmad scan`: judges an archive on all cores of a machine or on a Ray cluster.

A stopped scan can be resumed.
"""
