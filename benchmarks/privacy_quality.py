"""Personal data that was planted: how much of each kind is found (recall), how much of the finds is right (precision).

Needs the extra `bench`. Values are Faker's (its providers for China and the United States), in sentences of both
languages; beside them stand things that look alike and are none: order numbers, versions, dates, prices, long numbers.
Faker and the patterns were written apart from each other, which is what makes this a test; real data is another one.
"""

import argparse
import random
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from _common import Ratio, spread, write_result

from modelmill.cleaning.privacy import KINDS, mask

KEY = b"benchmark"
SENTENCES = (
    "Please write to {} before Friday.", "My number: {}.", "It says {} on the form", "({})", "{}",
    "请联系{}，谢谢。", "我的是{}", "登记:{};已核对", "资料（{}）已收到", "旧的是 {} 吗？",
)  # fmt: skip


def planters(seed: int) -> dict[str, list[Callable[[], str]]]:
    """By kind, what makes a value of it."""
    from faker import Faker

    china, america = Faker("zh_CN"), Faker("en_US")
    for number, one in enumerate((china, america)):
        one.seed_instance(2 * seed + number)

    def secret() -> str:
        value = america.password(20, special_chars=False)
        return f"https://{america.domain_name()}/x?user={america.random_int()}&token={value}"

    return {
        "email": [china.email, america.email, america.company_email],
        "phone": [
            china.phone_number,
            lambda: america.numerify("(2##) 4##-####"),
            lambda: america.numerify("+1 2##-4##-####"),
        ],
        "resident_id": [china.ssn],
        "social_security": [america.ssn],
        "bank_card": [america.credit_card_number, lambda: grouped(america.credit_card_number("visa16"))],
        "iban": [america.iban, lambda: grouped(america.iban())],
        "ip_address": [america.ipv4, america.ipv6],
        "url_secret": [secret],
    }


def grouped(value: str) -> str:
    """In fours, as on cards and letters."""
    return " ".join(value[start : start + 4] for start in range(0, len(value), 4))


def alike(rng: random.Random) -> str:
    """What only looks like personal data."""
    number = "".join(str(rng.randrange(10)) for _ in range(20))
    return rng.choice(
        [
            f"20261123{number[:10]}", number, f"#{number[:9]}", f"v{number[0]}.{number[1]}.{number[2]}",
            f"2026-11-{rng.randrange(10, 28)}", f"{number[:2]}:{number[2:4]}:{number[4:6]}",
            f"¥{number[:5]}.{number[5:7]}",
            f"978-7-{number[:3]}-{number[3:8]}-{number[8]}", f"{number[:4]}-{number[4:8]}", f"1.7e{number[:2]}",
            f"@user{number[:6]}", f"https://a.org/?page={number[:8]}&size=20",
        ]
    )  # fmt: skip


def measured(count: int, seed: int) -> tuple[dict[str, float], dict[str, float]]:
    """Recall and precision by kind, over `count` planted values of each and as many look-alikes in all."""
    rng = random.Random(seed)
    made = planters(seed)
    planted, right, found = Counter[str](), Counter[str](), Counter[str]()
    for kind, makers in made.items():
        for _ in range(count):
            counts = mask(rng.choice(SENTENCES).format(rng.choice(makers)()), KINDS, KEY)[1]
            planted[kind] += 1
            right[kind] += counts[kind] == 1
            found.update(counts)
    for _ in range(count * len(made)):
        found.update(mask(rng.choice(SENTENCES).format(alike(rng)), KINDS, KEY)[1])
    return {k: right[k] / planted[k] for k in made}, {k: right[k] / found[k] for k in made}


def main() -> None:
    """Plant, mask, count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer values, 2 rounds instead of 5")
    quick = parser.parse_args().quick
    count = 300 if quick else 2000
    rounds = [measured(count, seed) for seed in range(2 if quick else 5)]
    found: dict[str, Ratio] = {}
    print("| kind | recall | precision |\n| --- | --- | --- |")
    for kind in KINDS:
        recall, precision = ([one[side][kind] for one in rounds] for side in (0, 1))
        found |= {f"recall_{kind}": spread(recall), f"precision_{kind}": spread(precision)}
        print(f"| {kind} | {min(recall):.3f} | {min(precision):.3f} |")
    write_result("privacy_quality", {"values_of_each_kind": count, "rounds": len(rounds)}, found, ["faker"])


if __name__ == "__main__":
    main()
