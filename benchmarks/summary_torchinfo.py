"""torchinfo's summary of torchvision's ResNet-18, as a process of its own."""

from torchinfo import summary
from torchvision.models import resnet18

columns = ("output_size", "num_params", "mult_adds")
print(summary(resnet18(), (1, 3, 224, 224), col_names=columns, verbose=0))
