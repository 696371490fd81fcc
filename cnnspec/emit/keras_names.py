"""Names of a model's layers enter; those that Keras must not give to functions leave."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

# What Keras 3 calls a function that is applied in a functional model: the name of its class, then
# with `_1`, `_2`. Two operations of one name are an error. Tested against Keras.
_FUNCTIONS = """
    abs absolute adaptive_average_pool adaptive_max_pool add affine_transform all
    all_close amax amin angle any append arange arccos arccosh arcsin arcsinh arctan
    arctan2 arctanh argmax argmin argpartition argsort array array_split
    associative_scan average average_pool batch_norm binary_crossentropy bincount
    bitwise_and bitwise_invert bitwise_left_shift bitwise_not bitwise_or
    bitwise_right_shift bitwise_xor broadcast_to c_dist cast
    categorical_crossentropy cbrt ceil celu cholesky cholesky_inverse clip
    concatenate cond conj conjugate conv conv_transpose convert_to_tensor copy
    corrcoef correlate cos cosh count_nonzero crop_images cross ctc_decode ctc_loss
    cumprod cumsum deg2rad depth_to_space depthwise_conv det diag diagflat diagonal
    diff digitize divide divide_no_nan dot dot_product_attention dsplit dstack eig
    eigh einsum elastic_transform elu empty_like equal erf erfc erfinv exp exp2
    expand_dims expm1 extract_patches extract_sequences fabs fft fft2 flip fliplr
    flipud floor floor_divide fmax fmin fmod fold fori_loop full full_like function
    gaussian_blur gcd gelu geomspace get_item glu greater greater_equal hard_shrink
    hard_sigmoid hard_silu hard_tanh heaviside histogram hsplit hstack hsv_to_rgb
    hypot i0 ifft2 imag in_top_k inner inv irfft is_in isclose isfinite isinf isnan
    isneginf isposinf isreal istft jvp kron layer_norm lcm ldexp leaky_relu
    left_shift less less_equal linspace log log10 log1p log2 log_sigmoid log_softmax
    logaddexp logaddexp2 logdet logical_and logical_not logical_or logical_xor
    logspace logsumexp lstsq lu_factor map map_coordinates matmul matrix_rank max
    max_pool maximum mean median meshgrid min minimum mod moments moveaxis multi_hot
    multiply nan_to_num nanargmax nanargmin nancumprod nancumsum nanmax nanmean
    nanmedian nanmin nanpercentile nanprod nanquantile nanstd nansum nanvar ndim
    negative nextafter nonzero norm normalize not_equal one_hot ones_like operation
    outer pad pad_images percentile perspective_transform pinv polar power prod psnr
    ptp qr quantile rad2deg ravel real rearrange reciprocal relu relu6 repeat
    reshape resize rfft rgb_to_grayscale rgb_to_hsv right_shift rms_norm roll rot90
    round rsqrt saturate_cast scale_and_translate scan scatter scatter_update
    search_sorted segment_max segment_min segment_prod segment_reduction segment_sum
    select selu separable_conv sigmoid sign signbit silu sin sinc sinh size slice
    slice_update slogdet sobel_edges soft_shrink softmax softplus softsign solve
    solve_triangular sort space_to_depth sparse_categorical_crossentropy sparse_plus
    sparse_sigmoid sparsemax split sqrt square squareplus squeeze ssim stack std
    stft stop_gradient subtract sum svd swapaxes switch take take_along_axis tan
    tanh tanh_shrink tensordot threshold tile top_k trace transpose trapezoid tril
    triu true_divide trunc unfold unique unravel_index unstack vander var vdot
    vectorized_map view view_as_complex view_as_real vsplit vstack where while_loop
    zeros_like
"""
_OPERATORS = """
    absolute add divide equal floor_divide get_item greater greater_equal less less_equal
    matmul mod multiply negative not_equal power subtract true_divide
"""
FUNCTIONS = frozenset(_FUNCTIONS.split())
# Functions whose class has another name.
CLASSES = {"rms_normalization": "rms_norm"}
OPERATORS = frozenset(_OPERATORS.split())


def functions_of(called: Iterable[str], helpers: Iterable[str]) -> set[str]:
    """What Keras may call the functions of a model.

    Args:
        called: names as they are called, such as `ops.pad`.
        helpers: sources of functions, whose operators are operations, too.
    """
    found = {name.rpartition(".")[2] for name in called}
    for source in helpers:
        found |= set(re.findall(r"\b(?:ops|activations)\.(\w+)", source)) | OPERATORS
    return {CLASSES.get(name, name) for name in found} & FUNCTIONS


def reserved(names: Iterable[str], functions: Collection[str]) -> dict[str, int]:
    """How often to use up the name of a function, so that Keras' next one is none of these."""
    found: dict[str, int] = {}
    for name in names:
        base, _, digits = name.rpartition("_")
        if name in functions:
            base, times = name, 1
        elif base in functions and digits.isdecimal():
            times = int(digits) + 1
        else:
            continue
        found[base] = max(times, found.get(base, 0))
    return found
