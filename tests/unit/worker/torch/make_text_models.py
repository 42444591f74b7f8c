"""Makes the text models that text_classifier_test.cc reads.

usage: make_text_models.py DIRECTORY
"""

import json
import pathlib
import sys

import torch

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "good", "bad", "##ly", ",", "cafe"]
MAX_LENGTH = 8


class Classifier(torch.nn.Module):
    """Adds up what its tokens say, those that are not masked, and no more than MAX_LENGTH."""

    def __init__(self, labels: int = 2) -> None:
        super().__init__()
        self.words = torch.nn.Embedding(len(WORDS), labels)
        self.places = torch.nn.Embedding(MAX_LENGTH, labels)
        with torch.no_grad():
            self.words.weight.zero_()
            self.places.weight.zero_()
            self.words.weight[0] = 100  # Padding, if it is not masked.
            self.words.weight[4, 1] = 1
            self.words.weight[5, 0] = 2

    def logits(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        places = torch.arange(input_ids.size(1)).unsqueeze(0)
        said = self.words(input_ids) + self.places(places)
        return (said * attention_mask.unsqueeze(2)).sum(1)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        return self.logits(input_ids, attention_mask)


class WithTypes(Classifier):
    def forward(self, token_type_ids: torch.Tensor, input_ids: torch.Tensor,
                attention_mask: torch.Tensor) -> torch.Tensor:
        return self.logits(input_ids, attention_mask) + token_type_ids.sum() + 1


class ThirdByPosition(Classifier):
    def forward(self, x: torch.Tensor, y: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        return self.logits(x, y) + z.sum()


class ThirdByDefault(Classifier):
    def forward(self, x: torch.Tensor, y: torch.Tensor, scale: float = 1.0) -> torch.Tensor:
        return self.logits(x, y) * scale


class OneArgument(torch.nn.Module):
    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        return input_ids.float()


class NumberArgument(torch.nn.Module):
    def forward(self, input_ids: torch.Tensor, attention_mask: int) -> torch.Tensor:
        return input_ids.float()


class OneForAllRows(Classifier):
    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        return self.logits(input_ids, attention_mask).sum(0, keepdim=True)


class HalfPrecision(Classifier):
    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        return self.logits(input_ids, attention_mask).half()


class NoNumber(Classifier):
    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        return self.logits(input_ids, attention_mask) * float("nan")


class Raises(Classifier):
    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        if bool((input_ids == 5).any()):
            raise ValueError("it is bad")
        return self.logits(input_ids, attention_mask)


def tokenizer() -> dict:
    def special(token: str) -> dict:
        return {"SpecialToken": {"id": token, "type_id": 0}}

    ids = {word: number for number, word in enumerate(WORDS)}
    return {
        "version": "1.0",
        "truncation": {"direction": "Right", "max_length": MAX_LENGTH, "strategy": "LongestFirst",
                       "stride": 0},
        "padding": None,
        "added_tokens": [],
        "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True,
                       "strip_accents": None, "lowercase": True},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [special("[CLS]"), {"Sequence": {"id": "A", "type_id": 0}},
                       special("[SEP]")],
            "pair": [],
            "special_tokens": {token: {"id": token, "ids": [ids[token]], "tokens": [token]}
                               for token in ("[CLS]", "[SEP]")}},
        "decoder": None,
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100, "vocab": ids},
    }


def main() -> None:
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    for module in (Classifier, WithTypes, ThirdByPosition, ThirdByDefault, OneArgument,
                   NumberArgument, OneForAllRows, HalfPrecision, NoNumber, Raises):
        torch.jit.script(module().eval()).save(out / f"{module.__name__}.pt")
    zeros = torch.zeros(1, 3, dtype=torch.int64)
    torch.jit.trace(Classifier().eval(), (zeros, zeros)).save(out / "Traced.pt")

    (out / "tokenizer.json").write_text(json.dumps(tokenizer()))
    (out / "vocab.txt").write_text("\n".join(WORDS) + "\n")


if __name__ == "__main__":
    main()
