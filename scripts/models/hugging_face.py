"""Hugging Face's folders, as the Python package of this project reads them."""

from tiffin.transformers import classify, library as transformers, load, save_classifier

__all__ = ["classify", "load", "save_classifier", "transformers"]
