import pathlib

import numpy as np
import tiffin
import transformers


class Sentiment:
    def load(self, options):
        folder = pathlib.Path(__file__).parent / options["folder"]
        self.pipeline = transformers.pipeline("text-classification", model=str(folder))

    @tiffin.method(inputs={"text": "text"}, outputs={"label": "text", "score": "fp32[]"},
                   batchable=True, retry_safe=True)
    def run(self, text):
        found = self.pipeline(text, truncation=True)
        return {"label": [each["label"] for each in found],
                "score": np.array([each["score"] for each in found], np.float32)}
