"""A name that other frameworks use enters; what this language calls it leaves.

Only what means the same is offered: another network is no remedy.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from cnnspec.suggest import did_you_mean

if TYPE_CHECKING:
    from cnnspec.fields import Declared

LISTED = "`cnnspec explain operations` lists the operations"

# By what is left of a name without case, underscores and the number of axes.
_SAME = {
    "adaptiveaveragepool": "adaptive_avg_pool",
    "adaptiveaveragepooling": "adaptive_avg_pool",
    "adaptivemaxpooling": "adaptive_max_pool",
    "averagepool": "avg_pool",
    "averagepooling": "avg_pool",
    "batchnormalization": "batch_norm",
    "bn": "batch_norm",
    "cat": "concat",
    "centercrop": "crop",
    "concatenate": "concat",
    "constantpad": "pad",
    "convolution": "conv",
    "convtranspose": "conv_transpose",
    "cropping": "crop",
    "deconv": "conv_transpose",
    "deconvolution": "conv_transpose",
    "depthwise": "depthwise_conv",
    "dwconv": "depthwise_conv",
    "fc": "dense",
    "fullyconnected": "dense",
    "gap": "global_avg_pool",
    "globalaveragepool": "global_avg_pool",
    "globalaveragepooling": "global_avg_pool",
    "globalmaxpooling": "global_max_pool",
    "groupnormalization": "group_norm",
    "hardsilu": "hard_swish",
    "instancenormalization": "instance_norm",
    "interpolate": "upsample",
    "layernormalization": "layer_norm",
    "linear": "dense",
    "lrn": "local_response_norm",
    "maxpooling": "max_pool",
    "mha": "attention",
    "multiheadattention": "attention",
    "parametricrelu": "prelu",
    "radialbasisfunction": "radial_basis",
    "rbf": "radial_basis",
    "reflectionpad": "pad",
    "replicationpad": "pad",
    "resize": "upsample",
    "rmsnormalization": "rms_norm",
    "selfattention": "attention",
    "sepconv": "separable_conv",
    "stochasticdepth": "drop_path",
    "sub": "subtract",
    "swish": "silu",
    "transpose": "permute",
    "transposeconv": "conv_transpose",
    "transposedconv": "conv_transpose",
    "unflatten": "reshape",
    "upsampling": "upsample",
    "view": "reshape",
    "zeropad": "pad",
    "zeropadding": "pad",
}
_ABSENT = frozenset(
    [
        "bilinear",
        "celu",
        "convlstm",
        "hardtanh",
        "rnn",
        "simplernn",
        "softsign",
        "transformer",
    ]
)

# What the frameworks call a field that has another name here.
_FIELDS = {
    "alpha": "slope",
    "depth_multiplier": "multiplier",
    "dilation_rate": "dilation",
    "dilations": "dilation",
    "dims": "axes",
    "drop_prob": "rate",
    "eps": "epsilon",
    "embed_dim": "features",
    "embedding_dim": "features",
    "eta_min": "final_rate",
    "features": "units",
    "gamma": "factor",
    "hidden_size": "units",
    "init_value": "initial",
    "init_values": "initial",
    "interpolation": "method",
    "is_causal": "causal",
    "kernel_size": "kernel",
    "lr": "learning_rate",
    "negative_slope": "slope",
    "norm_type": "order",
    "num_groups": "groups",
    "num_heads": "heads",
    "out_channels": "filters",
    "out_features": "units",
    "output_size": "size",
    "p": "rate",
    "pad": "padding",
    "pool_size": "kernel",
    "return_sequences": "sequence",
    "rho": "decay",
    "scale_factor": "scale",
    "size": "kernel",
    "step_size": "every",
    "strides": "stride",
    "upscale_factor": "factor",
    "use_bias": "bias",
    "use_causal_mask": "causal",
}


def operation_help(name: str, known: Iterable[str]) -> str:
    """What to write for an unknown operation.

    Args:
        known: the operations, containers and blocks there are.
    """
    slip = re.match(r"(\w+) ?:?\{", name)
    if slip:
        return f"put `: ` between `{slip[1]}` and `{{`"
    known = list(known)
    bare = _bare(name)
    same = next((own for own in known if _bare(own) == bare), _SAME.get(bare))
    if same in known:
        return f"did you mean `{same}`?"
    if is_absent(name):
        return f"this version does not support it; {LISTED}"
    meant = did_you_mean(name, known)
    if meant:
        return f"did you mean `{meant}`?"
    return f"{LISTED}; blocks stand under `blocks`"


def is_absent(name: str) -> bool:
    """Whether it is a known operation that this language does not have."""
    return _bare(name) in _ABSENT


def _bare(name: str) -> str:
    """`nn.Conv2d`, `Conv2D` and `conv_2d` as `conv`."""
    name = name.rpartition(".")[2].lower()
    if re.fullmatch(r"dropout_?[123]d", name):
        return "spatialdropout"  # PyTorch's Dropout2d drops whole maps
    return re.sub(r"[-_ ]|(?<=\w)[123]d", "", name)


def meant_field(name: str, fields: list[str]) -> str | None:
    """The field that a wrong name stands for; of `kernel:3` what is before the colon."""
    name = name.partition(":")[0]
    same = _FIELDS.get(name)
    return same if same in fields else did_you_mean(name, fields)


def place_within(owner: type[Declared], name: str) -> str | None:
    """Where a field belongs that what `owner` chooses takes, as an optimizer; None if none does."""
    from cnnspec.one_of import OneOf

    name = _FIELDS.get(name, name)
    for key, field in owner.fields.items():
        for kind, cls in field.kinds.items() if isinstance(field, OneOf) else ():
            if name in cls.fields:
                return f"inside the {key}: `{key}: {{{kind}: {{{name}: …}}}}`"
    return None
