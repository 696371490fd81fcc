"""Keras' summary of ResNet-18 as cnnspec generates it, as a process of its own.

keras.applications has no ResNet-18. The argument is the generated program's folder.
"""

import sys

sys.path.insert(0, sys.argv[1])

from model import resnet18

resnet18().summary()
