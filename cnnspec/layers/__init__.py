"""All operations of the language, by the modules of their families."""

from __future__ import annotations

from cnnspec.layers.registry import Operations

FAMILIES = {
    "conv": "conv",
    "depthwise": "depthwise_conv separable_conv",
    "transposed": "conv_transpose",
    "pool": "max_pool avg_pool lp_pool",
    "adaptive": "global_avg_pool global_max_pool adaptive_avg_pool adaptive_max_pool",
    "resize": "upsample",
    "borders": "pad crop",
    "norm": "batch_norm group_norm instance_norm local_response_norm",
    "layer_norm": "layer_norm rms_norm",
    "scale": "layer_scale",
    "pointwise": "relu relu6 selu silu mish tanh sigmoid hard_sigmoid hard_swish softplus "
    "abs softmax log_softmax",
    "parametric": "leaky_relu elu gelu scaled_tanh prelu",
    "activation": "activation",
    "dropout": "dropout spatial_dropout alpha_dropout drop_path",
    "dense": "dense flatten",
    "radial": "radial_basis",
    "rearrange": "pixel_shuffle channel_shuffle permute",
    "reshape": "reshape",
    "merge": "identity add subtract multiply average maximum concat",
    "split": "split",
    "embedding": "embedding",
    "recurrent": "lstm gru",
    "attention": "attention",
}

OPERATIONS = Operations(FAMILIES)
