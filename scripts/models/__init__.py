"""What make_models and import_transformers are made of.

The parts: console (what is said), cache (what is made already), store (the model store, by the
`tiffin` program), hugging_face (a folder of transformers into the store), and the examples' models:
digits and sentiment (each as made says), with reviews, fine_tune and text_images for the latter.
"""

import os

# Threads that wait for one another sleep. Where other programs want the cores too, those that spin
# make training several times slower. OpenMP reads it once, when torch or xgboost is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
