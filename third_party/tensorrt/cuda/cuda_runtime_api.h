// SPDX-License-Identifier: Apache-2.0
// TensorRT's headers include this file for two opaque handles and nothing else. It stands in for the CUDA toolkit's
// header of the same name, which is not needed to compile: the driver is opened at run time (src/infer/tensorrt/cuda.h).
#pragma once

typedef struct CUstream_st* cudaStream_t;
typedef struct CUevent_st* cudaEvent_t;
