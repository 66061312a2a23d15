"""The words of the micro model, and random phrases made of them.

The order of WORDS is part of the model file: word number n is token 256 + n. New words go to the end.
"""

import random

DIGITS: list[str] = "zero one two three four five six seven eight nine".split()
COMMANDS: list[str] = (
    "yes no hello goodbye thanks please help operator agent account number transfer hold support "
    "sales billing cancel repeat confirm payment order call back wait stop okay"
).split()
GLUE: list[str] = "my is to me".split()
WORDS: list[str] = DIGITS + COMMANDS + GLUE
WORD_INDEX: dict[str, int] = {word: index for index, word in enumerate(WORDS)}

DEPARTMENTS: list[str] = ["operator", "agent", "support", "sales", "billing"]

# {d3} and {d4} become that many digits, {dept} a department.
TEMPLATES: list[str] = [
    "my account number is {d4}", "my order number is {d4}", "my number is {d4}", "number {d4}",
    "my order number is {d3}", "order number {d3}", "account number please", "order number please",
    "please confirm order number {d3}", "yes cancel order {d3} please", "confirm payment to account {d4}",
    "please transfer me to {dept}", "transfer me to {dept} please", "please call me back", "call me back please",
    "hello {dept} please", "hello billing support", "hello sales support", "please hold", "please wait",
    "cancel my order", "cancel my order please", "please help me cancel my order", "help me confirm my payment",
    "confirm my payment", "repeat my order number please", "please repeat", "please repeat order number {d3}",
    "thanks goodbye", "okay thanks goodbye", "yes please", "no thanks", "thanks please hold", "okay please wait",
    "yes my account number is {d3}", "no my number is {d3}", "hello operator", "is my payment okay", "please stop",
    "help me please", "call {d3} {d4}", "call my number {d4}", "transfer to {dept}", "billing support please",
]  # fmt: skip


def random_phrase(rng: random.Random) -> str:
    """A phrase of 1 to about 8 words: digit strings, commands, any words at all, or a template."""
    kind = rng.random()
    if kind < 0.28:
        return " ".join(rng.choice(DIGITS) for _ in range(rng.choice([1, 2, 3, 3, 4, 4, 5, 6])))
    if kind < 0.46:
        return " ".join(rng.choice(COMMANDS) for _ in range(rng.choice([1, 1, 1, 2, 2, 3])))
    if kind < 0.66:
        return " ".join(rng.choice(WORDS) for _ in range(rng.choice([1, 2, 2, 3, 3, 4, 5])))
    text = rng.choice(TEMPLATES)
    for length in (3, 4):
        text = text.replace("{d%d}" % length, " ".join(rng.choice(DIGITS) for _ in range(length)))
    return text.replace("{dept}", rng.choice(DEPARTMENTS))
