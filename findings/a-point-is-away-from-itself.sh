#!/usr/bin/env bash
# What most people expect: the distance of a point to itself is 0, so the diagonal of
# torch.cdist(x, x) is 0, and two equal rows of x have the distance 0.
#
# What is true: with more than 25 rows, cdist computes |a|^2 - 2ab + |b|^2 by a matrix product. The
# rounding errors of float32 are those of the squares. So the diagonal is not 0, and for features
# that are long compared with their differences, the error is larger than true small distances.
# With compute_mode="donot_use_mm_for_euclid_dist" the diagonal is 0.
#
# Where it matters: memory banks of features (PatchCore and others). A greedy choice of patches that
# differ most ("k-centre") chooses repeated patches, and the same one twice, and a loop that ends
# "when nothing is farther than the limit" need not end. Scores of images that are in the bank are
# not 0. The remedy: set the diagonal to 0, and treat distances below the rounding error as 0.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import torch

print("torch", torch.__version__)
torch.manual_seed(0)
EXACT = {"compute_mode": "donot_use_mm_for_euclid_dist"}


def features(rows):
    """Features as of a network: all far from 0, and near to each other."""
    return 5 + 0.01 * torch.randn(rows, 152)


few, many = features(25), features(26)
twice = features(200).repeat(2, 1)
diagonal_of_few = float(torch.cdist(few, few).diagonal().max())
diagonal = float(torch.cdist(many, many).diagonal().max())
exact_diagonal = float(torch.cdist(many, many, **EXACT).diagonal().max())
nearest = float(torch.cdist(many, many, **EXACT).fill_diagonal_(torch.inf).min())
equal = float(torch.cdist(twice, twice)[range(200), range(200, 400)].max())
print(f"largest distance of a row to itself, 25 rows:          {diagonal_of_few:.4f}")
print(f"the same, 26 rows:                                     {diagonal:.4f}")
print(f"the same, without the matrix product:                  {exact_diagonal:.4f}")
print(f"smallest distance of two different rows (exact):       {nearest:.4f}")
print(f"largest distance of two equal rows, 400 rows:          {equal:.4f}")

as_described = (
    diagonal_of_few == exact_diagonal == 0 and diagonal > 0.2 * nearest and equal > 0.2 * nearest
)
sys.exit(0 if as_described else "the behaviour has changed")
PYTHON
