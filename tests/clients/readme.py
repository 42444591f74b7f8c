"""The README's blocks of code, for the tests that run them as they stand."""

import re

import harness

ADDRESS = "127.0.0.1:8001"
HTTP_ADDRESS = "127.0.0.1:8000"

_TEXT = (harness.ROOT / "README.md").read_text()
# The section of one service that is made from nothing; its tests are test_tutorial.py's.
TUTORIAL = re.search(r"^## Your first service\n.*?(?=^## )", _TEXT, re.M | re.S).group(0)
README = _TEXT.replace(TUTORIAL, "")


def blocks(language, text=README):
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def kinds_of_blocks(text):
    return set(re.findall(r"^```(\w*)\n.*?^```$", text, re.MULTILINE | re.DOTALL))


def commands(block):
    """(command, what is shown below it): a command starts with `$ ` and goes on while its lines
    end with a pipe or a backslash."""
    found = []
    for line in block.splitlines():
        if line.startswith("$ "):
            found.append([line[2:], []])
        elif found[-1][1] == [] and found[-1][0].endswith(("|", "\\")):
            found[-1][0] += "\n" + line
        else:
            found[-1][1].append(line)
    return [(command, "\n".join(shown)) for command, shown in found]
