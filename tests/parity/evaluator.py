"""A checked graph as plain data, weights and inputs enter; each output leaves.

The side that shares nothing with the generator: every operation is said again, in the words of
its page, over the graph's nodes. Padding is always explicit.
"""

from oracle import EVALUATE
from oracle.norm import following
from owners import owner_of

LOGITS = {"cross_entropy": "softmax", "binary_cross_entropy": "sigmoid"}


def evaluate(graph, state, inputs, training=False):
    """The outputs by name, and the running means after it by their key in the state.

    Args:
        graph: {"nodes": [...], "outputs": {name: [node, port]}, "loss": its name or None}.
        state: a PyTorch model's state dict, whose keys are the nodes' paths.
        inputs: by name.
    """
    weights, running = {}, {}
    paths = {key_of(node) for node in graph["nodes"]}
    for key, value in state.items():
        path, name = owner_of(key, paths)
        weights.setdefault(path, {})[name] = value
    found = []
    for node in graph["nodes"]:
        if node["op"] is None:
            found.append([inputs[node["path"]]])
            continue
        path = key_of(node)
        xs = [found[number][port] for number, port in node["inputs"]]
        own = weights.get(path, {})
        learns = training and node["trainable"]
        if node["op"] == "batch_norm":
            key = f"{path}.running_mean"
            before = {**own, "running_mean": running.get(key, own["running_mean"])}
            running[key] = following(node["values"], before, *xs, learns)
        found.append(meaning(node)(node, own, xs, learns))
    final = LOGITS.get(graph["loss"])
    outputs = {}
    for name, (number, port) in graph["outputs"].items():
        node = graph["nodes"][number]
        if final and node["op"] == final:  # the loss applies it
            number, port = node["inputs"][0]
        elif final and (node["values"] or {}).get(field_of(node)) == final:
            values = {**node["values"], field_of(node): "none"}
            xs = [found[n][p] for n, p in node["inputs"]]
            plain = {**node, "values": values}
            own = weights.get(key_of(node), {})
            outputs[name] = meaning(node)(plain, own, xs, training)[port]
            continue
        outputs[name] = found[number][port]
    return outputs, running


def meaning(node):
    """The function of the node's operation."""
    if node["op"] not in EVALUATE:
        raise LookupError(f"what `{node['op']}` means: say it in tests/parity/oracle")
    return EVALUATE[node["op"]]


def field_of(node):
    """The field that names the function which a layer ends in."""
    return "function" if node["op"] == "activation" else "activation"


def key_of(node):
    """Where the node's weights stand in the state: with the first layer, where it is reused."""
    return node["owner"].replace("[", ".").replace("]", "")
