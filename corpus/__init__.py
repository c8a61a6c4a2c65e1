"""The library: documents, text, tokens. Imports neither ray nor the other packages.

Everything here is imported when it is first asked for. In a notebook:

    found = corpus.apply_filters(table, [corpus.C4(), corpus.Language(languages=("en",))])
    copies = corpus.near_duplicates(found.kept, threshold=0.8)
    kept = corpus.drop(found.kept, copies)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from corpus import kernel_cache, lazy

if TYPE_CHECKING:
    from corpus.cleaning.bad_words import BadWords as BadWords
    from corpus.cleaning.byt5_noise import ByT5Noise as ByT5Noise
    from corpus.cleaning.c4 import C4 as C4
    from corpus.cleaning.custom import Custom as Custom
    from corpus.cleaning.domains import DomainFilter as DomainFilter
    from corpus.cleaning.fineweb import FineWeb as FineWeb
    from corpus.cleaning.gopher_quality import GopherQuality as GopherQuality
    from corpus.cleaning.gopher_repetition import GopherRepetition as GopherRepetition
    from corpus.cleaning.length import Length as Length
    from corpus.cleaning.mc4_paragraphs import ParagraphFilter as ParagraphFilter
    from corpus.cleaning.pii import PersonalData as PersonalData
    from corpus.cleaning.refinedweb_lines import RefinedWebLines as RefinedWebLines
    from corpus.cleaning.repair import TextRepair as TextRepair
    from corpus.cleaning.split import Split as Split
    from corpus.cleaning.url_filter import UrlFilter as UrlFilter
    from corpus.cleaning.url_removal import UrlRemoval as UrlRemoval
    from corpus.cleaning.where import Where as Where
    from corpus.contamination.contaminated import contaminated_spans as contaminated_spans
    from corpus.contamination.items import load_items as load_items
    from corpus.dedup.near import near_duplicates as near_duplicates
    from corpus.dedup.sketches import min_hash_lsh as min_hash_lsh
    from corpus.dedup.sketches import min_hashes as min_hashes
    from corpus.dedup.substrings import repeated_substrings as repeated_substrings
    from corpus.encoding.encoder import Encoder as Encoder
    from corpus.encoding.encoder import load_encoder as load_encoder
    from corpus.encoding.resize import resize_tokenizer as resize_tokenizer
    from corpus.encoding.resize import used_ids as used_ids
    from corpus.filtering import Filtered as Filtered
    from corpus.filtering import apply_filters as apply_filters
    from corpus.language.detect import Language as Language
    from corpus.loader.configured import open_stream as open_stream
    from corpus.loader.mixture import Mixture as Mixture
    from corpus.loader.stream import TokenStream as TokenStream
    from corpus.options import OptionError as OptionError
    from corpus.options import option as option
    from corpus.reading.read_options import ReadOptions as ReadOptions
    from corpus.reading.readers import read_files as read_files
    from corpus.reading.records import Reading as Reading
    from corpus.step import Filter as Filter
    from corpus.step import Outcome as Outcome
    from corpus.step import Place as Place
    from corpus.step import Step as Step
    from corpus.tables import as_table as as_table
    from corpus.tables import cut as cut
    from corpus.tables import drop as drop
    from corpus.tokens.exports.export import export_tokens as export_tokens

kernel_cache.install()  # numba is not imported yet, and not by this
__version__ = "0.1.0"
__all__, __getattr__, __dir__ = lazy.names(__name__)
