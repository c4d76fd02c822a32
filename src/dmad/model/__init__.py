"""The paper's modules, losses and scores: pure PyTorch."""
