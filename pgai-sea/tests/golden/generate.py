"""Writes splitters.json and template.json: what Python does with random Unicode text and random parameters.

    python -m venv venv && venv/bin/pip install 'langchain-text-splitters==0.3.11'   # the newest that pgai 0.12 accepts
    venv/bin/python generate.py                                                        # CPython 3.11 or later

`generate.py SEED COUNT DIRECTORY` writes other cases elsewhere, for a longer comparison.
"""

import decimal
import json
import logging
import random
import sys
from datetime import date, datetime, time, timedelta, timezone
from importlib.metadata import version
from pathlib import Path
from string import Template

from langchain_text_splitters import CharacterTextSplitter, RecursiveCharacterTextSplitter

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 2025
COUNT = int(sys.argv[2]) if len(sys.argv) > 2 else 210
DIRECTORY = Path(sys.argv[3]) if len(sys.argv) > 3 else Path(__file__).parent

random.seed(SEED)
logging.disable()  # a line for every chunk that comes out longer than asked

WORDS = [
    "a", "I", "row", "index", "postgres", "naïve", "e\u0301te\u0301", "数据库", "検索", "ключ", "🦀", "👩‍👩‍👧",
    "x" * 30, "12", "3.14", "²", "Ⅷ", "Ab", "CamelCase", "_", "$x", "$", "\\d", "[z]", "(q)", "a|b", "\u0663",
]
GAPS = [
    " ", " ", " ", " ", "\n", "\n\n", ". ", "? ", "! ", ".", "-", ",", ";", "\t", "\r\n", "  ", "\u00a0", "\u3000", "\u2028",
    "\x1c", "\x1f", "\x85", "\u200b", "\ufeff", "\x0b", "\n\n\n",
]
SEPARATORS = ["\n\n", "\n", " ", ".", "", "x", ", ", "。", "\u00a0", "🦀", "a|b", "[z]", "\\d", "not there", ".."]
REGEXES = [
    r"\s+", r"\n+", r"[.?!]\s", r"(?<=[.?!])\s+", r"(?=[A-Z])", r"(?<![a-z])-", r"(?!x)-", r"\d+", r"\w+", r"\W", r"\b", r"x*", r"|x",
    r"\.", r"[^\w\s]", r"(?:\n\n|\n)", r"\n{2,}", r"x{,2}", r"[\x1c-\x1f]", r"[]x]", r"[a-c\s]", r"(?i:ROW|INDEX)", r"$", r"^a", r"\Z",
    r"(?m:$)", r"[[z]", r"\u3000", r"\$", r"-?", r"\S{5}", r"[\W_]+", r"", r"(?#nothing)\.", r"(?s:..)", r"\D\d",
]
GROUPED = [r"(\s)", r"(a)|(\.)", r"(?P<q>[.!])(?P=q)?", r"(x)\1"]


def text():
    parts = []
    for _ in range(random.choice([0, 1, 2, 8, 25, 60])):
        parts.append(random.choice(WORDS))
        parts.append(random.choice(GAPS) if random.random() < 0.9 else "")
    return "".join(parts)


def sizes():
    chunk_size = random.choice([1, 2, 5, 10, 20, 40, 100])
    return {"chunk_size": chunk_size, "chunk_overlap": random.choice([0, 0, 1, chunk_size // 2, chunk_size])}


def split(kind, options, text):
    case = {"implementation": kind, **options, "text": text}
    splitter = {
        "character_text_splitter": CharacterTextSplitter,
        "recursive_character_text_splitter": RecursiveCharacterTextSplitter,
    }[kind]
    try:
        case["chunks"] = splitter(**options).split_text(text)
    except Exception as error:  # whatever Python raises, the splitter here has to refuse too
        case["error"] = f"{type(error).__name__}: {error}"
    return case


def character():
    is_regex = random.random() < 0.5
    separator = random.choice(REGEXES + GROUPED if is_regex else SEPARATORS)
    options = {**sizes(), "separator": separator, "is_separator_regex": is_regex}
    case = split("character_text_splitter", options, text())
    # A group that took no part in a match: 0.3 fails on the None, 1.0 leaves it out, and so does this.
    return None if "NoneType" in case.get("error", "") else case


def recursive():
    is_regex = random.random() < 0.4
    known = (REGEXES + GROUPED if random.random() < 0.2 else REGEXES) if is_regex else SEPARATORS
    separators = random.sample(known, random.randint(0, 5))
    if random.random() < 0.4:
        separators, is_regex = ["\n\n", "\n", ".", "?", "!", " ", ""], False
    return split("recursive_character_text_splitter", {**sizes(), "separators": separators, "is_separator_regex": is_regex}, text())


TEMPLATES = [
    "$chunk", "$title: $chunk", "${title}$chunk", "$$chunk $chunk", "$Title $chunk", "${a_1}x$a_1 $chunk", "$ $chunk", "$", "${", "${}", "${title",
    "$1 $chunk", "$titlé $chunk", "$été $chunk", "a\n\nb $", "$$$chunk$$", "${chunk}s", "$_x", "$TITLE", "", "$ſ $chunk", "${title }", "$chunk$",
    "line\u2028 $", "$İ",
]


def template(source, row):
    case = {"template": source, "row": row}
    try:
        case["text"] = Template(source).substitute(**row)
    except (KeyError, ValueError) as error:
        case["error"] = f"{type(error).__name__}: {error}"
    return case


def python_str():
    """PostgreSQL's text of a value, its type, and Python's str of what psycopg makes of it."""
    floats = [0.0, -0.0, 1.0, 0.1, 1e15, 1e16, 1.5e16, 123456789012345680.0, 1e-4, 1e-5, 1.25e-7, -2.5, 1e100, 5e-324, float("inf"), float("nan")]
    floats += [random.uniform(-1, 1) * 10 ** random.randint(-30, 30) for _ in range(40)]
    pg_float = lambda f: {"inf": "Infinity", "nan": "NaN"}.get(str(f), repr(f).removesuffix(".0"))
    cases = [("float8", pg_float(f), str(f)) for f in floats]
    decimals = ["0", "1", "1.50", "-0.10", "0.000001", "0.0000001", "0.00000120", "0.00000000", "123456789012345678901234567890.1", "NaN", "100000"]
    cases += [("numeric", d, str(decimal.Decimal(d))) for d in decimals]
    cases += [("bool", "t", str(True)), ("bool", "f", str(False)), ("int4", "-7", str(-7)), ("text", " as it is ", " as it is ")]
    cases += [("date", "2024-02-29", str(date(2024, 2, 29)))]
    cases += [("timestamp", t, str(datetime.fromisoformat(t))) for t in ["2024-02-29 12:00:00", "2024-02-29 12:00:00.500000", "0001-01-01 00:00:00.000001"]]
    cases += [("timestamp", "2024-02-29 12:00:00.5", str(datetime(2024, 2, 29, 12, 0, 0, 500000)))]
    cases += [("timestamptz", "2024-02-29 12:00:00.25+00", str(datetime(2024, 2, 29, 12, 0, 0, 250000, tzinfo=timezone.utc)))]
    cases += [("timestamptz", "2024-02-29 12:00:00+05:30", str(datetime(2024, 2, 29, 12, tzinfo=timezone(timedelta(hours=5, minutes=30)))))]
    cases += [("time", "01:02:03.004", str(time(1, 2, 3, 4000))), ("timetz", "01:02:03-03", str(time(1, 2, 3, tzinfo=timezone(-timedelta(hours=3)))))]
    cases += [
        ("interval", "00:00:00", str(timedelta())),
        ("interval", "1 day", str(timedelta(days=1))),
        ("interval", "-1 days +02:03:04", str(timedelta(days=-1, hours=2, minutes=3, seconds=4))),
        ("interval", "1 year 2 mons 3 days 04:05:06.789", str(timedelta(days=365 + 60 + 3, hours=4, minutes=5, seconds=6.789))),
        ("interval", "-00:00:00.000001", str(-timedelta(microseconds=1))),
        ("interval", "30:00:00", str(timedelta(hours=30))),
    ]
    for value in [b"", b"abc", b"it's", b"it's \"x\"", bytes(range(0, 256, 5)), b"\n\t\r\\"]:
        cases.append(("bytea", "\\x" + value.hex(), str(value)))
    jsons = [
        "null", "true", "1", "1.0", "-2.5e-7", "1e16", '"text"', "[]", "{}", '{"b": 1, "a": [true, null, "it\'s"]}', '["\\n\\t\\\\", "\\u0001", "é", "\\u00a0"]',
        '["\\"", "\'\\"", "\\u200b\\ue000", "🦀", "\\u2028"]', '{"nested": {"x": {"y": []}}, "n": 12345678901234567890}', '"it\'s"',
    ]
    cases += [("jsonb", j, str(json.loads(j))) for j in jsons]
    return [{"type": kind, "value": value, "text": text} for kind, value, text in cases]


def write(name, cases):
    known = {"python": sys.version.split()[0], "langchain-text-splitters": version("langchain-text-splitters"), "seed": SEED}
    lines = ",\n".join(json.dumps(case, ensure_ascii=True, separators=(",", ":")) for case in cases)
    (DIRECTORY / name).write_text(f'{{"made_by":{json.dumps(known)},\n"cases":[\n{lines}\n]}}\n')


splits = [case for case in ([character() for _ in range(COUNT)] + [recursive() for _ in range(COUNT)]) if case]
write("splitters.json", splits)
row = {"chunk": "the $chunk", "title": "A ${title}", "a_1": "1", "_x": "", "TITLE": "loud"}
write("template.json", [template(source, row) for source in TEMPLATES])
write("python_str.json", python_str())
