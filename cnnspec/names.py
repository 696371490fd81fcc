"""A name from a spec enters; whether it may stand in generated code leaves.

Names become attributes of modules, parameters of functions and layers' names, so what would
hide something there is refused, never repaired.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cnnspec.diagnostics import Bag
    from cnnspec.source import Span
    from cnnspec.yamltree import Node

PATTERN = r"[a-z][a-z0-9_]*"
LONGEST_NAME = 64
_NAME = re.compile(PATTERN + r"\Z")

# Each list is tested against the library it is taken from.
_PYTHON = """
    abs aiter all and anext any as ascii assert async await bin bool break breakpoint bytearray
    bytes callable case chr class classmethod compile complex continue def del
    delattr dict dir divmod elif else enumerate eval except exec filter finally
    float for format from frozenset getattr global globals hasattr hash help hex id
    if import in input int is isinstance issubclass iter lambda len list locals map
    match max memoryview min next nonlocal not object oct open or ord pass pow print
    property raise range repr return reversed round set setattr slice sorted
    staticmethod str sum super try tuple type vars while with yield zip
"""
_MODULE = """
    add_module apply bfloat16 buffers call_super_init children compile cpu cuda
    double dump_patches eval extra_repr float forward get_buffer get_extra_state
    get_parameter get_submodule half ipu load_state_dict modules mtia named_buffers
    named_children named_modules named_parameters parameters register_backward_hook
    register_buffer register_forward_hook register_forward_pre_hook
    register_full_backward_hook register_full_backward_pre_hook
    register_load_state_dict_post_hook register_load_state_dict_pre_hook
    register_module register_parameter register_state_dict_post_hook
    register_state_dict_pre_hook requires_grad_ set_extra_state set_submodule
    share_memory state_dict to to_empty train training type xpu zero_grad
"""
_MODEL = """
    activity_regularizer add_loss add_metric add_variable add_weight autocast build
    build_from_config built call call_signature_parameters compile_from_config
    compiled compiled_loss compiled_metrics compute_dtype compute_loss compute_mask
    compute_metrics compute_output_shape compute_output_spec count_params
    distribute_reduction_method distribute_strategy dtype dtype_policy evaluate
    export fit from_config get_build_config get_compile_config get_config get_layer
    get_metrics_result get_quantization_layer_structure get_state_tree get_weights
    input input_dtype input_shape input_spec inputs jit_compile layers
    load_own_variables load_weights loss losses make_predict_function
    make_test_function make_train_function metrics metrics_names metrics_variables
    name non_trainable_variables non_trainable_weights operations optimizer output
    output_names output_shape outputs path predict predict_function predict_on_batch
    predict_step quantization_mode quantize quantized_build quantized_call
    rematerialized_call reset_metrics run_eagerly save save_own_variables
    save_weights set_state_tree set_weights stateless_call stateless_compute_loss
    steps_per_execution stop_training summary supports_jit supports_masking
    symbolic_call test_function test_on_batch test_step to_json train_function train_on_batch
    train_step trainable trainable_variables trainable_weights
    unrolled_steps_per_execution variable_dtype variables weights
"""
_GENERATED = """
    data f he_normal in_channels index init_weights initializers inputs keras math
    model nn np numpy ops outputs partial self tensorflow tf torch x
"""

RESERVED: dict[str, str] = {
    **dict.fromkeys(_MODEL.split(), "is an attribute of keras.Model"),
    **dict.fromkeys(_MODULE.split(), "is an attribute of nn.Module"),
    **dict.fromkeys(_GENERATED.split(), "is used by the generated code"),
    **dict.fromkeys(_PYTHON.split(), "is a word of Python"),
    **dict.fromkeys(("false", "true"), "is a value, not a text"),
}


def text_of(node: Node) -> str:
    """The name that a node is; empty where it is none."""
    text = getattr(node, "text", "")
    return text if getattr(node, "value", None) is not None else ""


def check_name(name: str, kind: str, span: Span, bag: Bag, gets: str = "") -> bool:
    """Whether a name may be used; why not goes into the bag (CS111, CS112).

    Args:
        kind: what is named, for the message: "block", "layer", "argument", ...
        gets: what stands there in the place of a text: "a list".
    """
    if not _NAME.match(name) or len(name) > LONGEST_NAME:
        bag.add(
            "CS111",
            f"this is no name for a {kind}",
            span,
            f"gets `{name[:40]}`" if name else f"gets {gets or 'an empty text'}",
            help=f"{_suggested(name)}a name is lowercase letters, digits and `_`, begins "
            f"with a letter and has at most {LONGEST_NAME} characters",
        )
        return False
    if name in RESERVED:
        bag.add(
            "CS112",
            f"`{name}` can't name a {kind}: it {RESERVED[name]}",
            span,
            help=f"for example `{name}_1`"
            if kind != "spec"
            else f"for example `my_{name}`",
        )
        return False
    return True


def _suggested(name: str) -> str:
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    tried = re.sub(r"[^a-z0-9]+", "_", spaced.lower()).strip("_")[:LONGEST_NAME]
    return f"write `{tried}`; " if _NAME.match(tried) and tried not in RESERVED else ""


def camel(name: str) -> str:
    """The class name of a block or spec: `basic_block` -> `BasicBlock`."""
    return "".join(part.capitalize() for part in name.split("_"))


def dotted(path: str) -> str:
    """A layer's path as both frameworks spell it: `block[0].conv` is `block.0.conv`."""
    return path.replace("[", ".").replace("]", "")
