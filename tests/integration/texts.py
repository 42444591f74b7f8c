"""Texts to give to text models: real sentences, and awkward ones made at random."""

import os
import random
import string
import tarfile
import unicodedata

import harness

# Rated sentences that scripts/setup fetches.
ARCHIVE = harness.ROOT / "build/reviews/hutto_ICWSM_2014.tar.gz"


def real_sentences():
    """Some 23,000 sentences of reviews, tweets and newspapers, as their authors published them."""
    sentences = []
    with tarfile.open(ARCHIVE) as files:
        for name in sorted(files.getnames()):
            if name.endswith("_GroundTruth.txt"):
                text = files.extractfile(name).read().decode("utf-8", "replace")
                # Not splitlines(): it cuts at more than ends of lines.
                sentences += [line.split("\t", 2)[2].rstrip("\r") for line in text.split("\n")
                              if line.count("\t") >= 2]
    return sentences


def block(first, last):
    """The characters from `first` to `last` that Python's Unicode knows."""
    return [chr(code) for code in range(first, last + 1)
            if unicodedata.category(chr(code)) not in ("Cn", "Cs")]


WORDS = ("good", "Bad", "UNHAPPY", "unbelievably", "e-mail", "don't", "$9.99", "a_b", "Straße",
         "ΣΊΣΥΦΟΣ", "İstanbul", "ISPARTA", "ısı", "ﬁne", "Ⅻ", "ǅ", "résumé", "naïve",
         "Ελλάδα", "Привет", "ёлка", "中文", "東京タワー", "ガギグ", "안녕하세요", "สวัสดี", "নমস্কার",
         "مرحبا", "مُحَمَّد", "हिन्दी", "தமிழ்", "👍🏽", "👨‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪", "☺️", ":-)")
SPECIALS = ("[SEP]", "[CLS]", "[PAD]", "[MASK]", "[UNK]", "[sep]", "[ SEP ]", "[[SEP]]", "[SEP",
            "##ing", "[unused1]")
SPACES = (" ", "  ", "\t", "\n", "\r\n", "\v", "\f", "\x1c", "\x85", "\u00a0", "\u1680", "\u2003",
          "\u2028", "\u202f", "\u3000", "\u200b", "\ufeff")
CHARACTERS = (
    list(string.printable), block(0x80, 0x24F), block(0x370, 0x3FF), block(0x400, 0x4FF),
    block(0x590, 0x6FF), block(0x900, 0x97F), block(0xE00, 0xE7F), block(0x1100, 0x11FF),
    block(0x1E00, 0x1FFF), block(0x2000, 0x206F), block(0x2100, 0x214F), block(0x3000, 0x30FF),
    block(0x4E00, 0x9FFF), block(0xAC00, 0xD7A3), block(0xE000, 0xE0FF), block(0xF900, 0xFAFF),
    block(0xFB00, 0xFB4F), block(0xFE00, 0xFE2F), block(0xFF00, 0xFFEF), block(0x1D100, 0x1D1FF),
    block(0x1F300, 0x1F6FF), block(0x20000, 0x200FF), [chr(code) for code in range(1, 0x20)],
    ["\x7f", "\xad", "\u200c", "\u200d", "\u2060", "\ufffd", "\ufffe", "\U0010ffff", "\U000e0041"])
MARKS = block(0x300, 0x36F) + block(0x1AB0, 0x1ABE) + block(0x20D0, 0x20F0)
# What no chance makes certain.
ALWAYS = (
    "", " ", "\n\t ", "\u200b", "\u0301", "\u0301\u0301 a\u0301\u0323b", "[SEP]",
    "hello [SEP] world", "[CLS]hello[SEP][SEP]", "a" * 100, "a" * 101, "é" * 100, "é" * 101,
    "e\u0301" * 100, "中" * 300, "." * 400, "x" * 5000, "the cat sat on the mat " * 200, "안녕" * 200,
    "\U0001f468\u200d\U0001f469\u200d\U0001f467", "a\u00adb", "a\ufffdb", "a\ue000b",
    "1" * 99 + "\u0301\u0302", "I\u0307", "ẞ", "ΑΣ", "ΑΣ.", "ﷺ", "\u1e9b\u0323", "가한각")


def seed():
    """Of TIFFIN_TEST_SEED, else a new one; printed, to make the same texts again."""
    chosen = int(os.environ.get("TIFFIN_TEST_SEED") or random.SystemRandom().randrange(2**32))
    print(f"TIFFIN_TEST_SEED={chosen}")
    return chosen


def awkward(count, rng):
    """`count` texts that tokenizers get wrong, ALWAYS among them."""
    return list(ALWAYS) + [_text(rng) for _ in range(count - len(ALWAYS))]


def _text(rng):
    return "".join(_piece(rng) for _ in range(rng.choice((1, 3, 8, 20, 60))))


def _piece(rng):
    kind = rng.randrange(8)
    if kind <= 2:
        return rng.choice(WORDS)
    if kind == 3:
        return rng.choice(SPACES)
    if kind == 4:
        return rng.choice(SPECIALS) if rng.random() < 0.3 else " "
    if kind == 5:
        return rng.choice(WORDS) + "".join(rng.choices(MARKS, k=rng.randrange(1, 4)))
    characters = rng.choice(CHARACTERS)
    size = rng.choice((1, 2, 5)) if rng.random() < 0.98 else rng.randrange(95, 130)
    return "".join(rng.choices(characters, k=size))
