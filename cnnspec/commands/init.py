"""`cnnspec init`: a path enters; a new spec stands there, beside it the schema for editors.

The spec is a small one, or a copy of one that ships with cnnspec.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import NoReturn

import click

SCHEMA = "cnnspec-1.schema.json"
SPEC = """\
# yaml-language-server: $schema={schema}
# A small network for 32 x 32 images. `cnnspec explain operations` lists what layers there are.
cnnspec: 1
name: {name}
input: {{channels: 1, height: 32, width: 32}} # one sample, without the batch
blocks:
  stage: # used below like an operation
    args: {{filters: ~}} # `~`: must be given
    layers:
      - conv: {{filters: $filters, kernel: 3, padding: 1, bias: false}}
      - batch_norm # has a bias of its own
      - relu
      - max_pool: {{kernel: 2, stride: 2}} # halves height and width
layers:
  - stage: {{filters: 16}}
  - stage: {{filters: 32}}
  - stage: {{filters: 64}}
  - global_avg_pool # one number per channel
  - dense: {{units: 10}} # one per class; the loss applies the softmax
data: {{source: digits}} # handwritten digits that scikit-learn brings along
train:
  epochs: 10
  loss: cross_entropy
  optimizer: {{adam: {{learning_rate: 0.001}}}}
"""


@click.command()
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option(
    "--from",
    "shipped",
    metavar="NAME",
    help="Copy a spec that ships with cnnspec: `cnnspec list` names them.",
)
def init(file: Path, shipped: str | None) -> None:
    """Write a new, small spec, and beside it the JSON Schema for editors.

    Nothing is overwritten: FILE must not exist, and a schema that is there stays.
    """
    if not file.parent.is_dir():
        _refuse(f"{file}: there is no folder {file.parent}")
    schema = file.parent / SCHEMA
    kept = schema.exists()
    if shipped is None:
        text = SPEC.format(schema=SCHEMA, name=_name_of(file))
    else:
        text = _copy_of(shipped)
    try:
        with open(file, "x", encoding="utf-8", newline="\n") as out:
            out.write(text)
        if not kept:
            from cnnspec.language_schema import dump

            schema.write_text(dump(), encoding="utf-8", newline="\n")
    except FileExistsError:
        _refuse(f"{file} exists already: give another name, or move it")
    except (OSError, ValueError) as error:
        _refuse(f"{file}: {(getattr(error, 'strerror', None) or str(error)).lower()}")
    beside = f"{schema} was there and stays" if kept else f"wrote {schema}"
    click.echo(f"wrote {file}; {beside}")
    click.echo(f"next: cnnspec check {click.format_filename(file)}")


def _name_of(file: Path) -> str:
    """The model's name after the file's, where it may be one."""
    from cnnspec.containers import CONTAINERS
    from cnnspec.layers import OPERATIONS
    from cnnspec.names import LONGEST_NAME, PATTERN, RESERVED, camel

    name = re.sub(r"[^a-z0-9]+", "_", file.stem.lower()).strip("_")
    taken = name in RESERVED or name in OPERATIONS or name in CONTAINERS
    if taken or camel(name) == "Stage" or not name[:1].isalpha():
        name = f"my_{name}" if name else "my_network"
    name = name[:LONGEST_NAME]
    return name if re.fullmatch(PATTERN, name) else "my_network"


def _copy_of(name: str) -> str:
    """The text of a shipped spec that names the schema beside it."""
    from cnnspec.shipped import SCHEMA_LINE, names, path_of
    from cnnspec.suggest import did_you_mean

    known = names()
    if name not in known:
        meant = did_you_mean(name, known)
        more = f"did you mean `{meant}`?" if meant else "`cnnspec list` shows them all"
        raise click.UsageError(f"no spec `{name[:60]}` ships with cnnspec: {more}")
    first, _, rest = path_of(name).read_text("utf-8").partition("\n")
    assert first.startswith(SCHEMA_LINE), name
    return f"{SCHEMA_LINE}{SCHEMA}\n{rest}"


def _refuse(message: str) -> NoReturn:
    click.echo(f"error: {message}", err=True)
    sys.exit(2)
