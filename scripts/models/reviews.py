"""Labelled English sentences of film reviews, of reviews of goods, and tweets; each was rated by 20
people or more.

Setup takes them from the source archive of a package, as their authors published them.
"""

import dataclasses
import hashlib
import html
import pathlib
import re
import tarfile

from models.cache import ROOT
from models.console import Problem

ARCHIVE = ROOT / "build/reviews/hutto_ICWSM_2014.tar.gz"
CITATION = (
    "C.J. Hutto and E.E. Gilbert (2014), VADER: A Parsimonious Rule-based Model for Sentiment "
    "Analysis of Social Media Text, Eighth International Conference on Weblogs and Social Media "
    "(ICWSM-14), Ann Arbor; their rated sentences (MIT license)"
)
FILES = {
    "movie": "movieReviewSnippets_GroundTruth.txt",
    "amazon": "amazonReviewSnippets_GroundTruth.txt",
    "tweets": "tweets_GroundTruth.txt",
}
# Mean ratings go from -4 to 4; what is nearer to 0 than this is neither positive nor negative.
NEUTRAL = 0.5
HELD_OUT_ONE_IN = 10


@dataclasses.dataclass(frozen=True)
class Review:
    text: str
    rating: float
    source: str
    # A hash of its words: says which side of the split it is on, and gives an order that is the
    # same everywhere, as good as random.
    number: int

    @property
    def positive(self):
        return self.rating > 0


def load(archive=ARCHIVE):
    """Reviews to learn from, then those held out. Of sentences with the same words only the first
    counts, so that none is on both sides."""
    if not pathlib.Path(archive).is_file():
        raise Problem(f"the reviews are missing ({archive}): run scripts/setup, which fetches them")
    reviews = {}
    with tarfile.open(archive) as files:
        for source, name in FILES.items():
            member = files.extractfile(f"hutto_ICWSM_2014/{name}")
            for line in member.read().decode("utf-8", "replace").splitlines():
                review = parse(line, source)
                if review is not None:
                    reviews.setdefault(review.number, review)
    clear = [review for review in reviews.values() if abs(review.rating) >= NEUTRAL]
    clear.sort(key=lambda review: review.number)
    held_out = [review for review in clear if review.number % HELD_OUT_ONE_IN == 0]
    return [review for review in clear if review.number % HELD_OUT_ONE_IN], held_out


def parse(line, source):
    """A line is: id TAB mean rating TAB text. None if the text has no words."""
    _, rating, text = line.split("\t", 2)
    text = html.unescape(text).strip()
    words = " ".join(re.findall(r"\w+", text.casefold()))
    if not words:
        return None
    number = int.from_bytes(hashlib.sha256(words.encode()).digest()[:8], "big")
    return Review(text, float(rating), source, number)
