"""Convolution whose filters see some of the channels: its table, and both emissions of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnspec.layers.layer import Misfit, Remark

if TYPE_CHECKING:
    from cnnspec.emit.site import Site, Step, Value

Table = tuple[tuple[int, ...], ...]

TORCH_PARTIAL = '''\
class PartialConv{rank}d(nn.Module):
    """A convolution whose filters see some of the channels: a kernel per connection."""

    def __init__(
        self, in_channels, filters, kernel_size, connections, bias=True, **options
    ):
        super().__init__()
        if isinstance(kernel_size, int):
            kernel_size = (kernel_size,) * {rank}
        self.seen = [len(channels) for channels in connections]
        number = sum(self.seen)
        self.weight = nn.Parameter(torch.empty(number, *kernel_size))
        self.bias = nn.Parameter(torch.empty(filters)) if bias else None
        self.options = options
        # Which kernel stands where; the one behind the last is zero.
        places = [[number] * in_channels for _ in connections]
        pairs = [(f, c) for f, channels in enumerate(connections) for c in channels]
        for place, (f, c) in enumerate(pairs):
            places[f][c] = place
        self.register_buffer("places", torch.tensor(places), persistent=False)

    def kernels(self):
        """Those of each filter, as a kernel of its own: (1, channels seen, ...)."""
        return [kernel[None] for kernel in self.weight.detach().split(self.seen)]

    def forward(self, x):
        zero = self.weight.new_zeros(1, *self.weight.shape[1:])
        kernel = torch.cat([self.weight, zero])[self.places]
        return F.conv{rank}d(x, kernel, self.bias, **self.options)
'''
KERAS_PARTIAL = '''\
class PartialConv{rank}D(layers.Conv{rank}D):
    """A convolution whose filters see some of the channels: a kernel per connection."""

    def __init__(self, filters, kernel_size, connections, **options):
        super().__init__(filters, kernel_size, **options)
        self.connections = connections

    def build(self, input_shape):
        pairs = [(f, c) for f, seen in enumerate(self.connections) for c in seen]
        self._kernel = self.add_weight(
            name="kernel",
            shape=(*self.kernel_size, len(pairs)),
            initializer=self.draw,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias", shape=(self.filters,), initializer="zeros"
            )
        # Which kernel stands where; the one behind the last is zero.
        places = [[len(pairs)] * self.filters for _ in range(input_shape[-1])]
        for place, (f, c) in enumerate(pairs):
            places[c][f] = place
        self.places = tuple(map(tuple, places))
        self.built = True

    def draw(self, shape, dtype):
        """Each filter for itself: its fan in is that of the channels it sees."""
        drawn = [
            self.kernel_initializer.clone()((*shape[:-1], len(seen), 1), dtype)
            for seen in self.connections
        ]
        return ops.concatenate(drawn, axis=-2)[..., 0]

    def call(self, x):
        padded = ops.pad(self.kernel, [{zeros}(0, 1)])
        kernel = ops.take(padded, self.places, axis=-1)
        x = ops.conv(x, kernel, self.strides, self.padding, None, self.dilation_rate)
        return self.activation(x + self.bias if self.use_bias else x)
'''


def check_table(table: Table, filters: int, channels: int) -> None:
    """Raises Misfit (CS331) where a table does not fit a convolution."""
    if len(table) != filters:
        raise _misfit(
            "the table of connections needs a list for each filter",
            f"{len(table)} lists, {filters} filters",
        )
    for number, seen in enumerate(table):
        if max(seen) >= channels:
            raise _misfit(
                "a connection names a channel that the input does not have",
                f"list {number + 1} names channel {max(seen)}, the last one is "
                f"{channels - 1}",
                help="channels count from 0",
                port=0,
            )
        if len(set(seen)) < len(seen):
            twice = next(c for c in seen if seen.count(c) > 1)
            raise _misfit(
                "a connection stands twice",
                f"list {number + 1} names channel {twice} more than once",
            )


def refuse_beside(field: str) -> None:
    """Raises Misfit (CS331): `connections` and the field exclude one another."""
    raise _misfit(
        f"`connections` and `{field}` exclude one another",
        f"stands beside `{field}`",
        help="a filter's list of channels says what a group would"
        if field == "groups"
        else "leave one of them out",
    )


def _misfit(
    message: str, label: str, help: str | None = None, port: int | None = None
) -> Misfit:
    return Misfit(
        Remark("CS331", message, label, field="connections", port=port, help=help)
    )


def torch_partial(site: Site, /, *args: Value, **options: Value) -> Step:
    source = TORCH_PARTIAL.format(rank=site.rank)
    name = site.helper(f"PartialConv{site.rank}d", source)
    site.kernels_apart(name)
    return site.module(name, *args, _table(site), **options)


def keras_partial(site: Site, /, *args: Value, **options: Value) -> Step:
    name = f"PartialConv{site.rank}D"
    source = KERAS_PARTIAL.format(rank=site.rank, zeros="(0, 0), " * site.rank)
    from cnnspec.initializers import HeNormal

    begin = site.initializer(HeNormal({}))
    return site.layer(
        site.helper(name, source),
        *args,
        _table(site),
        kernel_initializer=begin,
        **options,
    )


def _table(site: Site) -> Value:
    return site.constant("connections", site.field("connections"))
