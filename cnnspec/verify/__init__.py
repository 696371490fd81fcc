"""Whether both programs of a spec are the same network: `cnnspec verify`.

A folder holds both programs and what both are given (`plan`). Each framework runs its own in a
process (`pytorch_side`, `keras_side`) and writes what came of it; `certificate` compares.
A third program, PyTorch's model that tells what each layer makes, is the reference: in either
program's run a layer's value is found by its numbers (`matching`), so that it needs no name.
"""
