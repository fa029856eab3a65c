"""THE TABLE of operators, by the name the language calls them. A new operator is one class and one line here."""

from striate.operators.activation import Elu, Gelu, HardSigmoid, HardSwish, Sigmoid, Silu, Tanh
from striate.operators.arithmetic import Add, Div, Mul, Sub
from striate.operators.changes import Delta, Hold, Sigma
from striate.operators.constant import Constant
from striate.operators.convolution import Conv1d, Conv2d
from striate.operators.fixed_point import FixedPointIntegrator, FixedPointLif
from striate.operators.linear import Linear, Matmul
from striate.operators.neurons import CubaLif, IntegrateAndFire, LeakyIntegrator, Lif, SigmaDelta
from striate.operators.normalization import BatchNorm, LogSoftmax, Softmax
from striate.operators.pointwise import Clip, LeakyRelu, Prelu, Relu, Relu6
from striate.operators.pooling import AdaptiveAvgPool2d, AvgPool2d, MaxPool2d, SumPool2d
from striate.operators.quantized import Dequantize, Lookup, Quantize, Requantize
from striate.operators.readout import Delay, Last, SpikeCount, SumOverTime
from striate.operators.reduction import Argmax, ReduceMax, ReduceMean, ReduceSum
from striate.operators.resampling import Upsample
from striate.operators.schema import Operator
from striate.operators.shaping import Concat, Flatten, Pad, Permute, Reshape, Slice
from striate.operators.sigma_delta import FixedPointSigmaDelta
from striate.operators.transposed import ConvTranspose2d

OPERATORS: dict[str, type[Operator]] = {
    operator.name: operator
    for operator in (
        Conv2d,
        Conv1d,
        ConvTranspose2d,
        Linear,
        Matmul,
        BatchNorm,
        Softmax,
        LogSoftmax,
        Relu,
        Relu6,
        Clip,
        LeakyRelu,
        Prelu,
        Elu,
        Sigmoid,
        Tanh,
        HardSigmoid,
        HardSwish,
        Silu,
        Gelu,
        MaxPool2d,
        AvgPool2d,
        SumPool2d,
        AdaptiveAvgPool2d,
        Upsample,
        Flatten,
        Reshape,
        Permute,
        Concat,
        Slice,
        Pad,
        Add,
        Sub,
        Mul,
        Div,
        ReduceMean,
        ReduceSum,
        ReduceMax,
        Argmax,
        Constant,
        Quantize,
        Requantize,
        Dequantize,
        Lookup,
        IntegrateAndFire,
        Lif,
        CubaLif,
        LeakyIntegrator,
        SigmaDelta,
        Delta,
        Sigma,
        FixedPointLif,
        FixedPointIntegrator,
        FixedPointSigmaDelta,
        Hold,
        Delay,
        SpikeCount,
        SumOverTime,
        Last,
    )
}
