"""The model store, as make_models asks it what is there."""

import tiffin
from tiffin.errors import ModelError


class Store(tiffin.Store):
    """Knows what models were made from."""

    def made_from(self, name):
        """The `made_from` in the metadata of the model's latest version; None if there is none."""
        try:
            return self.find(name).description["metadata"].get("made_from")
        except ModelError:
            return None
