"""C4's rules: which lines stay, and which pages go."""

import pytest

from modelmill.cleaning.c4 import c4

PAGE = 'One is here. Two is there! Is three?\nFour says "yes".\nFive ends it.'


def test_lines_that_stay_and_lines_that_go() -> None:
    """Terminal marks, three words or five ideographs, no JavaScript, no policy, no citation marks."""
    lines = [
        "Home | About", "Too short.", "Please enable JavaScript to see it.", "We use cookies on this site.",
        "Read more about it...", "It was so [3] they say.", "这一句写得够长。", "短。", "没有句号的一行文字很长",
    ]  # fmt: skip
    kept, why = c4("\n".join([PAGE, *lines]))
    assert why is None
    assert kept == "\n".join([PAGE, "It was so  they say.", "这一句写得够长。"])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"{PAGE}\nLorem ipsum dolor sit.", "c4: lorem ipsum"),
        (f"{PAGE}\nif (x) {{ go to it. }}.", "c4: a curly bracket"),
        ("One is here. Two is there.", "c4: fewer than 5 sentences in lines that are worth keeping"),
        ("", "c4: fewer than 5 sentences in lines that are worth keeping"),
        ("一个句子在这里。" * 4, "c4: fewer than 5 sentences in lines that are worth keeping"),
    ],
)
def test_pages_that_go(text: str, reason: str) -> None:
    """Each with its reason, and with its text untouched."""
    assert c4(text) == (text, reason)


def test_chinese_pages_stay() -> None:
    """Five sentences are five, though no blank stands between them."""
    text = "第一句在这里。第二句也在!第三句呢？第四句说“好”。第五句完了。"
    assert c4(text) == (text, None)
    assert c4(text * 100)[1] is None, "a whole article in one line has no long word"
    assert c4(f"{text}\n{'x' * 1001} is a word.") == (text, None)
