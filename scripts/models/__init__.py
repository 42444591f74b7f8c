"""What make_models and import_transformers are made of.

The parts: console (what is said), cache (what is made already), store and hugging_face (what the
Python package in common/python has for both), and the examples' models: digits and sentiment (each
as made says), with reviews, fine_tune and text_images for the latter.
"""

import os
import pathlib
import sys

# Threads that wait for one another sleep. Where other programs want the cores too, those that spin
# make training several times slower. OpenMP reads it once, when torch or xgboost is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# The package of this clone, whatever is installed.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "common/python"))
