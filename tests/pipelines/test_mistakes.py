"""What people get wrong, one mistake a line: the answer is exit code 2, before any work, with what is wrong and what to
do about it in a few words."""

import shlex

import corpora
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from commands import winnow

DOCS = [{"id": f"{i}", "text": f"A page number {i} has words that nobody else has. Word{i} word."} for i in range(5)]
RECIPES = {
    "bad": "steps: [length\n",
    "unknown": "steps: [lenght]\n",
    "misspelt": "steps: [length: {min_word: 3}]\n",
    "none": "input: docs.jsonl\n",
    "empty": "",
    "value": "steps: [near_dedup: {threshold: high}]\n",
    "order": "steps: [pack, tokenize]\n",
    "tokens": "steps: [tokenize]\n",
    "twice": "steps: [length]\nsteps: [c4]\n",
    "list": "steps: length\n",
    "variable": "steps: [length]\ninput: ${NOWHERE_SET}\n",
}
MISTAKES = """
run c5 --input docs.jsonl --output OUT                                  | no such recipe: c5; did you mean 'c4'?
run c4 docs.jsonl OUT                                                   | --input docs.jsonl --output DIR
run docs.jsonl --input c4 --output OUT                                  | docs.jsonl is not a recipe
run c4 --input docs.jsonl                                               | --output DIR
run c4 --output OUT                                                     | --input PATH
run c4 --input nothere.jsonl --output OUT                               | no such file or folder: nothere.jsonl
run c4 --input 'nowhere/*.jsonl' --output OUT                           | no file matches nowhere/*.jsonl
run c4 --input folder --output OUT                                      | no file matches folder
run c4 --input image.png --output OUT                                   | .jsonl
run c4 --input content.jsonl --output OUT                               | they have content: say --text-field content
run c4 --input nested.jsonl --output OUT                                | say --text-field data.text
run c4 --input body.parquet --output OUT                                | they have body: say --text-field body
run c4 --input docs.jsonl --output OUT --text-field body                | they have id, text: say --text-field text
run c4 --input s4://x/y.jsonl --output OUT                              | Protocol not known: s4
run missing.yaml --input docs.jsonl --output OUT                        | no such recipe: missing.yaml
run bad.yaml --input docs.jsonl --output OUT                            | bad.yaml is not YAML: line 2
run unknown.yaml --input docs.jsonl --output OUT                        | did you mean 'length'?
run misspelt.yaml --input docs.jsonl --output OUT                       | did you mean 'min_words'?
run none.yaml --input docs.jsonl --output OUT                           | the recipe has no steps
run empty.yaml --input docs.jsonl --output OUT                          | expected a map with `input` and `steps`
run value.yaml --input docs.jsonl --output OUT                          | should be a valid number
run order.yaml --input docs.jsonl --output OUT                          | 'tokenize' cannot come after 'pack'
run tokens.yaml --input docs.jsonl --output OUT                         | or the option 'tokenizer'
run twice.yaml --input docs.jsonl --output OUT                          | 'steps' stands twice
run list.yaml --input docs.jsonl --output OUT                           | `steps` is a list, not 'length'
run variable.yaml --output OUT                                          | environment variable NOWHERE_SET
run c4 --input docs.jsonl --output OUT --set near_dedup.threshold=0.7   | has no step 'near_dedup'; it has length
run c4 --input docs.jsonl --output OUT --set c4.min_sentence=2          | did you mean 'min_sentences'?
run c4 --input docs.jsonl --output OUT --set threshold                  | --set takes path=value
run c4 --input docs.jsonl --output OUT --set sed=1                      | did you mean 'seed'?
run c4 --input docs.jsonl --output OUT --set seed=abc                   | should be a valid integer
run c4 --input docs.jsonl --output OUT --set read.format=jason          | did you mean 'json'?
run c4 --input docs.jsonl --output OUT --set read.text=body             | 'text_field'
run c4 --input docs.jsonl --output OUT --set bad_words.path=none.txt    | no list of bad words for language
run c4 --input docs.jsonl --output docs.jsonl                           | is a file, and not a run directory
run c4 --input docs.jsonl --output OUT --workers two                    | Invalid value for '--workers'
run c4 --input docs.jsonl --output OUT --workers -1                     | greater than or equal to 0
run c4 --input docs.jsonl --output OUT --limit 0                        | Invalid value for '--limit'
run c4 --input docs.jsonl --output OUT --worker 2                       | --workers
runn c4 --input docs.jsonl --output OUT                                 | Did you mean 'run'?
filter docs.jsonl OUT                                                   | the recipe has no steps
filter docs.jsonl OUT --step lenght                                     | did you mean 'length'?
filter docs.jsonl OUT --where 'language.en > 0.5'                       | put the step `language: {tag: true}` before it
filter docs.jsonl OUT --where 'gopher_quality.words > 5'                | `gopher_quality: {mode: tag}` before it
filter docs.jsonl OUT --where 'tekst == 1'                              | did you mean 'text'?
filter docs.jsonl OUT --where 'text > 5'                                | text is text, which is not compared
filter docs.jsonl OUT --step 'length: {min_words: 3}'                   | --set length.OPTION=VALUE
run c4 --input run --output OUT                                         | its documents are in run/documents
dedup exact docs.jsonl docs.jsonl/sub                                   | a part of its path is a file
filter docs.jsonl OUT --where 'words >'                                 | is not an expression
filter docs.jsonl OUT --step language --set language.keep=[xx]          | knows no language 'xx'
dedup near docs.jsonl                                                   | Missing argument 'output'
dedup near docs.jsonl OUT --threshold 80                                | less than or equal to 1 (given 80)
dedup near docs.jsonl OUT --ngrams 5                                    | --ngram
dedup nearly docs.jsonl OUT                                             | Did you mean 'near'?
decontaminate docs.jsonl OUT                                            | needs the option 'against': Evaluation files
decontaminate docs.jsonl OUT --against none.jsonl                       | no such file or folder: none.jsonl
decontaminate docs.jsonl OUT --against content.jsonl                    | --set 'decontaminate.fields=[content]'
decontaminate docs.jsonl OUT --against body.parquet                     | --set 'decontaminate.fields=[body]'
decontaminate docs.jsonl OUT --against docs.jsonl --ngram 5             | min_words is 8, more than the 5 words
tokenize docs.jsonl OUT                                                 | or the option 'tokenizer'
tokenize docs.jsonl OUT --tokenizer no/such/one | there is no tokenizer no/such/one: no such file or folder
train-tokenizer docs.jsonl OUT --family bpee                            | did you mean 'bpe'?
train-tokenizer docs.jsonl OUT --vocab-size 10                          | vocab_size 10 is too small
pack docs.jsonl OUT --tokenizer folder --sequence-length 0              | greater than or equal to 1
inspect none                                                            | no such file or folder: none
explain folder doc                                                      | folder holds no run
explain c4 none.txt                                                     | no such file: none.txt
verify folder                                                           | folder holds no run
report folder                                                           | is it a finished run?
recipes c5                                                              | did you mean 'c4'?
steps near                                                              | did you mean 'near_dedup'?
task folder 00-read/00000                                               | folder holds no run
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mistakes")
    corpora.write_jsonl(folder / "docs.jsonl", DOCS)
    pq.write_table(pa.table({"body": ["a b c"] * 10}), folder / "body.parquet")
    corpora.write_jsonl(folder / "content.jsonl", [{"content": "some words"}] * 9)
    corpora.write_jsonl(folder / "nested.jsonl", [{"data": {"text": "some words"}}] * 9)
    (folder / "image.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    for name, text in RECIPES.items():
        (folder / f"{name}.yaml").write_text(text)
    (folder / "folder").mkdir()
    (folder / "run").mkdir()
    for name in ("published.json", "report.json"):
        (folder / "run" / name).write_text("{}")
    return folder


@pytest.mark.parametrize("line", MISTAKES.strip().splitlines(), ids=lambda line: line.partition(" |")[0].strip())
def test_a_mistake_is_answered_before_work(folder, line):
    command, _, answer = line.rpartition("| ")
    said = winnow(*shlex.split(command), cwd=folder, check=2, COLUMNS="200").stderr
    assert answer in said
    assert said.startswith(("winnow: ", "Usage: ")) and len(said.splitlines()) <= (1 if said[0] == "w" else 4), said
    assert not (folder / "OUT").exists()
