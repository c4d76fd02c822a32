"""The paper's modules: pure PyTorch, one noun a file."""
