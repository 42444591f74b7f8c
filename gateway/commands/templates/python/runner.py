"""The model: how a text feels, by the words in it. Put one of your own in its place."""

import re

import tiffin


class Model:
    def load(self, options):
        """Called once, before the first call."""
        self.good = set(options["good"])
        self.bad = set(options["bad"])

    @tiffin.method(outputs={"label": "text", "words": "text"}, retry_safe=True)
    def run(self, text: str):
        """Called for each request. What it returns are the step's outputs."""
        words = re.findall(r"\w+", text.lower())
        if not words:
            raise tiffin.InvalidArgument("the text has no words; send one that has")
        known = [word for word in words if word in self.good | self.bad]
        balance = sum(1 if word in self.good else -1 for word in known)
        label = "good" if balance > 0 else "bad" if balance < 0 else "so-so"
        return {"label": label, "words": " ".join(known)}
