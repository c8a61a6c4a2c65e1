"""What people get wrong, one mistake a line: the answer is exit code 2, before any work, with what is wrong and what to
do about it in a few words."""

import shlex
import shutil

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
run c4 --input folder --output OUT                                      | there are no files in folder
run c4 --input image.png --output OUT                                   | .jsonl
run c4 --input content.jsonl --output OUT                               | they have content: say --text-field content
run c4 --input nested.jsonl --output OUT                                | say --text-field data.text
run c4 --input body.parquet --output OUT                                | they have body: say --text-field body
run c4 --input docs.jsonl --output OUT --text-field body                | they have id, text: say --text-field text
run c4 --input s4://x/y.jsonl --output OUT                              | s4:// is not known (known are file, s3
run missing.yaml --input docs.jsonl --output OUT                        | no such recipe: missing.yaml
run bad.yaml --input docs.jsonl --output OUT                            | bad.yaml is not YAML: line 2
run unknown.yaml --input docs.jsonl --output OUT                        | did you mean 'length'?
run misspelt.yaml --input docs.jsonl --output OUT                       | did you mean 'min_words'?
run none.yaml --input docs.jsonl --output OUT | the recipe has no steps: write some, as in steps: [length, c4]
run empty.yaml --input docs.jsonl --output OUT                          | expected a map with `input` and `steps`
run value.yaml --input docs.jsonl --output OUT | option 'threshold' of step 'near_dedup' is a number, not 'high'
run order.yaml --input docs.jsonl --output OUT                          | 'tokenize' cannot come after 'pack'
run tokens.yaml --input docs.jsonl --output OUT                         | or the option 'tokenizer'
run twice.yaml --input docs.jsonl --output OUT                          | 'steps' stands twice
run list.yaml --input docs.jsonl --output OUT | `steps` is a list, not 'length': write steps: [
run variable.yaml --output OUT                                          | environment variable NOWHERE_SET
run c4 --input docs.jsonl --output OUT --set near_dedup.threshold=0.7   | has no step 'near_dedup'; it has length
run c4 --input docs.jsonl --output OUT --set c4.min_sentence=2          | did you mean 'min_sentences'?
run c4 --input docs.jsonl --output OUT --set threshold                  | --set takes path=value
run c4 --input docs.jsonl --output OUT --set sed=1                      | did you mean 'seed'?
run c4 --input docs.jsonl --output OUT --set seed=abc | option 'seed' of the recipe is a whole number, not 'abc'
run c4 --input docs.jsonl --output OUT --set read.format=jason          | did you mean 'json'?
run c4 --input docs.jsonl --output OUT --set read.text=body             | 'text_field'
run c4 --input docs.jsonl --output OUT --set bad_words.path=none.txt    | no list of bad words for language
run c4 --input docs.jsonl --output docs.jsonl                           | is a file, and not a run directory
run c4 --input docs.jsonl --output OUT --workers two                    | Invalid value for '--workers'
run c4 --input docs.jsonl --output OUT --workers -1                     | greater than or equal to 0
run c4 --input docs.jsonl --output OUT --limit 0                        | Invalid value for '--limit'
run c4 --input docs.jsonl --output OUT --worker 2                       | no option --worker; did you mean --workers?
runn c4 --input docs.jsonl --output OUT                                 | Did you mean 'run'?
filter docs.jsonl OUT                                                   | give --step NAME
filter docs.jsonl OUT --step lenght                                     | did you mean 'length'?
filter docs.jsonl OUT --where 'language.en > 0.5'                       | put the step `language: {tag: true}` before it
filter docs.jsonl OUT --where 'gopher_quality.words > 5'                | `gopher_quality: {mode: tag}` before it
filter docs.jsonl OUT --where 'tekst == 1'                              | did you mean 'text'?
filter docs.jsonl OUT --where 'text > 5'                                | text is text, which is not compared
filter docs.jsonl OUT --step 'length: {min_words: 3}'                   | --set length.OPTION=VALUE
run c4 --input run --output OUT                                         | its documents are in run/documents
dedup exact docs.jsonl docs.jsonl/sub                                   | docs.jsonl is a file; choose another --output
filter docs.jsonl OUT --where 'words >' | is not an expression (invalid syntax), such as language.en > 0.65
filter docs.jsonl OUT --step language --set language.keep=[xx]          | knows no language 'xx'
dedup near docs.jsonl | Missing argument 'output'; see `winnow dedup near --help`
dedup near docs.jsonl OUT --threshold 80                                | less than or equal to 1 (given 80)
dedup near docs.jsonl OUT --ngrams 5                                    | did you mean --ngram?
dedup nearly docs.jsonl OUT                                             | Did you mean 'near'?
decontaminate docs.jsonl OUT | winnow decontaminate needs --against TEXT: Evaluation files
decontaminate docs.jsonl OUT --against none.jsonl                       | no such file or folder: none.jsonl
decontaminate docs.jsonl OUT --against content.jsonl                    | --set 'decontaminate.fields=[content]'
decontaminate docs.jsonl OUT --against body.parquet                     | --set 'decontaminate.fields=[body]'
decontaminate docs.jsonl OUT --against docs.jsonl --ngram 5 --min-words 8 | min_words is 8, more than the 5 words
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
run c4 --input two --output OUT | records of two/b.jsonl have no field 'text'; they
run c4 --input two --output OUT                                         | two/a.jsonl has it: name such files alone
run c4 --input null.jsonl --output OUT | field 'text', which is null; body does: say --text-field body
run c4 --input numbers.parquet --output OUT | which is a number and no string; they have text
run c4 --input strings.jsonl --output OUT | a line must hold an object, not a string; have an object for each record
run c4 --input page.jsonl --output OUT                                  | not JSON: Expecting value at character 0; have
run c4 --input page.parquet --output OUT                                | not a Parquet file
run c4 --input page.jsonl.gz --output OUT                               | say what they are: --set read.format=
run c4 --input wrapped.json --output OUT                                | jq -c '.data[]' wrapped.json
run c4 --input plain.csv --output OUT                                   | put a header on the file, say id,text
run c4 --input docs.jsonl --output OUT --url-field nope                 | say --url-field with one of these
run c4 --input nothing.jsonl --output OUT                               | there are no documents in nothing.jsonl
run c4 --input nothing.json --output OUT                                | there are no documents in nothing.json
run c4 --input empty --output OUT                                       | there are no files in empty
run c4 --input /dev/null --output OUT                                   | /dev/null is neither a file nor a folder
run c4 --input docs.jsonl --output /proc/x                              | no folder can be made in /proc
run c4 --input docs.jsonl --output /dev/null/y                          | /dev/null is a file; choose another
run c4 --input docs.jsonl --output OUT --workers 0 --address h:1        | give one of the two
run c4 --input foo://bucket/x.jsonl --output OUT | input: cannot open foo://bucket/x.jsonl: foo:// is not known (known
run c4 --input ftp:///x.jsonl --output OUT                              | input: cannot open ftp:///x.jsonl:
run c4 --input s3://bucket/x.jsonl?endpoint_override=nowhere.invalid:1 --output OUT| AWS_ENDPOINT_URL says where it is
run c4 --input https://nowhere.invalid/x.jsonl --output OUT             | the host nowhere.invalid is not known here
run c4 --input docs.jsonl --output s3://bucket/x?endpoint_override=nowhere.invalid| the host nowhere.invalid is not
run c4 --input docs.jsonl --output OUT --set language.keep=english      | did you mean 'en'?
run c4 --input docs.jsonl --output OUT --set language.keep=qqqq         | valid: af, ar, bg
run pretrain --input docs.jsonl --output OUT --set near_dedup=5         | --set near_dedup.OPTION=VALUE
run pretrain --input docs.jsonl --output OUT --set read_text=5          | recipe key 'read_text' in --set; did you mean
run pretrain --input docs.jsonl --output OUT --set text_field=body      | say --set read.text_field=VALUE
run pretrain --input docs.jsonl --output OUT --set near_dedup.threshold=zero| is a number, not 'zero'
run quickstart --output OUT                                             | `winnow quickstart` makes it
run c4 --input docs.jsonl --output OUT --limit many | Invalid value for '--limit': it should be a valid integer
run c4 --input docs.jsonl --output OUT --set steps=c4                   | write steps: [length, c4]
filter docs.jsonl OUT --step length --set min_words=5                   | say --set length.min_words=VALUE
filter docs.jsonl OUT --where 'text contains foo'                       | such as language.en > 0.65
dedup near docs.jsonl OUT --strategy fast | no option --strategy; see `winnow dedup near --help`
decontaminate docs.jsonl OUT --field text                               | did you mean --fields?
dedup lines docs.jsonl OUT --unit zzzz                                  | valid: line,
recipes nope                                                            | valid: albert, bart,
audit folder docs.jsonl                                                 | docs.jsonl is no account
explain c5 page.jsonl | neither a run directory nor a recipe; did you mean 'c4'?
run c4 --input nowhere --output OUT                                     | winnow: input: no such file or folder: nowhere
run c4 --input run --output OUT                                         | winnow: input 'run' is what a run has left
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
    (folder / "empty").mkdir()
    (folder / "nothing.jsonl").write_bytes(b"")
    (folder / "nothing.json").write_bytes(b"[]")
    (folder / "two").mkdir()
    corpora.write_jsonl(folder / "two" / "a.jsonl", DOCS * 20)
    corpora.write_jsonl(folder / "two" / "b.jsonl", [{"content": "some words"}] * 9)
    corpora.write_jsonl(folder / "null.jsonl", [{"text": None, "body": "some words"}] * 9)
    pq.write_table(pa.table({"text": [1, 2]}), folder / "numbers.parquet")
    (folder / "strings.jsonl").write_text('"some words"\n' * 9)
    for name in ("page.jsonl", "page.parquet", "page.jsonl.gz"):
        (folder / name).write_text("Some words, and no more than that.\n" * 9)
    (folder / "wrapped.json").write_text('{"data": [{"text": "some words"}]}')
    (folder / "plain.csv").write_text("hello world this is text\nmore of it\n")
    (folder / "run").mkdir()
    for name in ("published.json", "report.json"):
        (folder / "run" / name).write_text("{}")
    return folder


@pytest.mark.parametrize("line", MISTAKES.strip().splitlines(), ids=lambda line: line.partition(" |")[0].strip())
def test_a_mistake_is_answered_before_work(folder, line):
    command, _, answer = line.rpartition("| ")
    shutil.rmtree(folder / "OUT", ignore_errors=True)  # of a mistake that was not noticed, which fails by itself
    said = winnow(*shlex.split(command), cwd=folder, check=2, COLUMNS="200").stderr
    assert answer.strip() in said
    assert said.startswith("winnow: ") and len(said.splitlines()) == 1, said
    assert not (folder / "OUT").exists()
