"""Embedding, recurrent layers and attention, position by position and head by head."""

import torch


def embedding(node, own, xs, learns):
    ids = xs[0].long()
    return [torch.stack([own["weight"][row] for row in ids])]


def lstm_step(own, back, x, state):
    h, c = state
    numbers = x @ own[f"weight_ih_l0{back}"].T + h @ own[f"weight_hh_l0{back}"].T
    numbers = numbers + own.get(f"bias_ih_l0{back}", 0)
    i, f, g, o = numbers.chunk(4, 1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def gru_step(own, back, x, state):
    (h,) = state
    ours = x @ own[f"weight_ih_l0{back}"].T + own.get(f"bias_ih_l0{back}", 0)
    theirs = h @ own[f"weight_hh_l0{back}"].T + own.get(f"bias_hh_l0{back}", 0)
    (r, z, n), (r_h, z_h, n_h) = ours.chunk(3, 1), theirs.chunk(3, 1)
    reset, update = torch.sigmoid(r + r_h), torch.sigmoid(z + z_h)
    return ((1 - update) * torch.tanh(n + reset * n_h) + update * h,)


def recurrent(step, states):
    def evaluate(node, own, xs, learns):
        x, *first = xs
        values = node["values"]
        zero = x.new_zeros(x.shape[0], values["units"])
        outputs = []
        for back in ("", "_reverse")[: 1 + values["bidirectional"]]:
            state = (*first, *[zero] * states)[:states]
            order = range(x.shape[1])
            found = {}
            for position in reversed(order) if back else order:
                state = step(own, back, x[:, position], state)
                found[position] = state[0]
            every = torch.stack([found[position] for position in order], 1)
            outputs.append(every if values["sequence"] else state[0])
        return [torch.cat(outputs, -1)]

    return evaluate


def attention(node, own, xs, learns):
    x, memory, values = xs[0], xs[-1], node["values"]
    if "in_proj_weight" in own:
        kernels = own["in_proj_weight"].chunk(3)
    else:
        kernels = [own[f"{name}_proj_weight"] for name in "qkv"]
    biases = own["in_proj_bias"].chunk(3) if values["bias"] else (0, 0, 0)
    sources = (x, memory, memory)
    query, key, value = (
        source @ kernel.T + bias
        for source, kernel, bias in zip(sources, kernels, biases, strict=True)
    )
    width = x.shape[-1] // values["heads"]
    collected = []
    for head in range(values["heads"]):
        part = slice(head * width, (head + 1) * width)
        likeness = query[..., part] @ key[..., part].mT / width**0.5
        if values["causal"]:
            rows = torch.arange(x.shape[1], device=x.device)[:, None]
            columns = torch.arange(memory.shape[1], device=x.device)
            likeness = likeness.masked_fill(columns > rows, float("-inf"))
        collected.append(likeness.softmax(-1) @ value[..., part])
    mixed = torch.cat(collected, -1) @ own["out_proj.weight"].T
    return [mixed + own.get("out_proj.bias", 0)]


EVALUATE = {
    "embedding": embedding,
    "lstm": recurrent(lstm_step, 2),
    "gru": recurrent(gru_step, 1),
    "attention": attention,
}
