"""One child extracts the HTML of all files that tests read here: starting one takes longer than a file does."""

import contextlib
import functools
import types

import pytest

from corpus.reading import html, web_pages


@pytest.fixture(scope="package", autouse=True)
def one_child():
    with contextlib.ExitStack() as stack, pytest.MonkeyPatch.context() as patch:

        @functools.cache
        def child(timeout, extractor):
            return stack.enter_context(html.Extractor(timeout, extractor))

        kept = {**vars(html), "Extractor": lambda *given: contextlib.nullcontext(child(*given))}
        patch.setattr(web_pages, "html", types.SimpleNamespace(**kept))
        yield
