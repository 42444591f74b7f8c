"""What worker/testing's identity does, in Python."""

import tiffin


class Identity:
    @tiffin.method(inputs={"x": "fp32[-1]"}, outputs={"y": "fp32[-1]"}, batchable=True,
                   retry_safe=True)
    def run(self, x):
        return x
