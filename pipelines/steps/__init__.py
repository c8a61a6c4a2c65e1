"""The steps a recipe can name: the registry.

A *filter* (`corpus.step.Filter`) works row by row and is fused with its neighbours into one pass. A *global step*
(`pipelines.context.GlobalStep`) looks at the whole corpus and adds decisions to the view. *Token steps* come last. To
add a filter: one file with a frozen dataclass, one line here, one test.
"""

from corpus.cleaning.bad_words import BadWords
from corpus.cleaning.byt5_noise import ByT5Noise
from corpus.cleaning.c4 import C4
from corpus.cleaning.custom import Custom
from corpus.cleaning.domains import DomainFilter
from corpus.cleaning.fineweb import FineWeb
from corpus.cleaning.gopher_quality import GopherQuality
from corpus.cleaning.gopher_repetition import GopherRepetition
from corpus.cleaning.length import Length
from corpus.cleaning.mc4_paragraphs import ParagraphFilter
from corpus.cleaning.pii import PersonalData
from corpus.cleaning.refinedweb_lines import RefinedWebLines
from corpus.cleaning.repair import TextRepair
from corpus.cleaning.split import Split
from corpus.cleaning.url_filter import UrlFilter
from corpus.cleaning.url_removal import UrlRemoval
from corpus.cleaning.where import Where
from corpus.language.detect import Language
from pipelines.steps.decontaminate import Decontaminate
from pipelines.steps.exact_dedup import ExactDedup
from pipelines.steps.line_dedup import LineDedup
from pipelines.steps.near_dedup import NearDedup
from pipelines.steps.near_overlap import NearOverlap
from pipelines.steps.pack import Pack
from pipelines.steps.substring_dedup import SubstringDedup
from pipelines.steps.tokenize import Tokenize
from pipelines.steps.train_tokenizer import TrainTokenizer
from pipelines.steps.url_dedup import UrlDedup

STAGES = (
    Length,
    UrlFilter,
    DomainFilter,
    TextRepair,
    UrlRemoval,
    C4,
    ParagraphFilter,
    GopherQuality,
    GopherRepetition,
    FineWeb,
    RefinedWebLines,
    Language,
    BadWords,
    PersonalData,
    Where,
    Custom,
    Split,
    ByT5Noise,
)
GLOBAL_STEPS = (UrlDedup, LineDedup, ExactDedup, NearDedup, NearOverlap, SubstringDedup, Decontaminate)
TOKEN_STEPS = (TrainTokenizer, Tokenize, Pack)
"""In the order in which a recipe has them."""
STEPS = {step.name: step for step in (*STAGES, *GLOBAL_STEPS, *TOKEN_STEPS)}
