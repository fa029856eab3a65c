"""THE TABLE of operators, by the name the language calls them. A new operator is one class and one line here."""

from striate.operators.arithmetic import Add, Div, Mul, Sub
from striate.operators.convolution import Conv2d
from striate.operators.linear import Linear, Matmul
from striate.operators.normalization import BatchNorm
from striate.operators.pointwise import Clip, LeakyRelu, Prelu, Relu, Relu6
from striate.operators.pooling import AdaptiveAvgPool2d, AvgPool2d, MaxPool2d, SumPool2d
from striate.operators.quantized import Dequantize, Lookup, Quantize, Requantize
from striate.operators.schema import Operator
from striate.operators.shaping import Flatten

OPERATORS: dict[str, type[Operator]] = {
    operator.name: operator
    for operator in (
        Conv2d,
        Linear,
        Matmul,
        BatchNorm,
        Relu,
        Relu6,
        Clip,
        LeakyRelu,
        Prelu,
        MaxPool2d,
        AvgPool2d,
        SumPool2d,
        AdaptiveAvgPool2d,
        Flatten,
        Add,
        Sub,
        Mul,
        Div,
        Quantize,
        Requantize,
        Dequantize,
        Lookup,
    )
}
