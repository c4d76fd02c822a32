"""The form `patches`, for images of manufactured parts. Its models need no training.

A model of this form stores patches of good images. A patch consists of the teacher's features at
one place of an image. The stored patches of a model are called its bank.
"""
