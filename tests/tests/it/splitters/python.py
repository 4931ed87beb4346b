"""Answers what Python makes of splitter and template cases: a JSON object on standard input, one on standard output.

    python3 python.py DIRECTORY < cases.json

DIRECTORY has the package langchain_text_splitters, of which only `base` and `character` are imported.
"""

import importlib
import json
import logging
import re
import signal
import sys
import types
import warnings
from string import Template


def module(name, **members):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__dict__.update(members)
    return sys.modules[name]


class Name:
    """Whatever a module only wants to name."""


# a package whose __init__ would import far more than is needed
module("langchain_text_splitters").__path__ = [sys.argv[1] + "/langchain_text_splitters"]
module("langchain_core")
module("langchain_core.documents", BaseDocumentTransformer=Name, Document=Name)
module("typing_extensions", Self=Name)
character = importlib.import_module("langchain_text_splitters.character")
warnings.simplefilter("ignore")  # of expressions that mean something else in the future
logging.disable()  # a line for every chunk that comes out longer than asked


class TookTooLong(Exception):
    pass


def took_too_long(*_):
    raise TookTooLong


signal.signal(signal.SIGALRM, took_too_long)


def split(case):
    if case["options"]["is_separator_regex"]:
        # it would only be compiled when the text gets as far
        for separator in case["options"].get("separators", []):
            re.compile(separator)
    splitter = {
        "character_text_splitter": character.CharacterTextSplitter,
        "recursive_character_text_splitter": character.RecursiveCharacterTextSplitter,
    }[case["implementation"]]
    return splitter(**case["options"]).split_text(case["text"])


def substitute(case):
    return Template(case["template"]).substitute(**case["row"])


def answer(function, case):
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        return {"value": function(case)}
    except TookTooLong:
        return {"late": True}
    except Exception as error:  # whatever Python raises, the other side has to refuse too
        return {"error": f"{type(error).__name__}: {error}"}
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


cases = json.load(sys.stdin)
json.dump(
    {
        "splits": [answer(split, case) for case in cases["splits"]],
        "templates": [answer(substitute, case) for case in cases["templates"]],
    },
    sys.stdout,
)
