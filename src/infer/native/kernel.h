// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

// Only plain types: this header is also read by files that are compiled for newer processors, and
// an inline function of theirs must never be the one that the linker keeps for the whole program.
namespace tidewatch::native {

inline constexpr std::size_t kWidth = 128;               // of embeddings and convolutions
inline constexpr std::size_t kTaps = 3;                  // rows that a convolution sees
inline constexpr std::size_t kWindow = kTaps * kWidth;   // inputs of one output
inline constexpr std::size_t kPooled = 3 * kWidth;       // two attention pools and the maximum
inline constexpr std::size_t kPanel = 64;                // outputs that are computed together
inline constexpr std::size_t kPanels = kWidth / kPanel;  // of a convolution
inline constexpr std::size_t kTextsTogether = 4;         // that one pass over the heads serves
inline constexpr std::size_t kAlignment = 64;

// One convolution. INT8: out = (start + bytes . window) * scale + bias, with the window's bytes
// unsigned; FP32: out = bias + floats . window.
struct ConvolutionView {
  const std::int8_t* bytes;   // [kPanels][kWindow / 4][kPanel][4]; null in FP32
  const std::int32_t* start;  // [kWidth]: takes the 128 off again where inputs are signed, else 0
  const float* floats;        // [kPanels][kWindow][kPanel]; null in INT8
  const float* scale;         // [kWidth]; INT8 only
  const float* bias;          // [kWidth]
  float input_inverse;        // 1 / the scale of the input; INT8 only
};

// The weights as the kernels read them. Borrowed; every array is aligned to kAlignment.
struct FastWeights {
  const void* word;    // [vocabulary, kWidth], FP16 or FP32
  const void* bigram;  // [bigram_buckets, kWidth], of the same type
  bool half_tables;    // FP16
  std::int32_t bigram_factor;
  std::int32_t bigram_buckets;
  ConvolutionView convolutions[2];
  const float* attention;  // [2, kWidth]
  float attention_bias[2];
  std::size_t hidden_width;  // a multiple of kPanel
  const float* hidden;       // [hidden_width / kPanel][kPooled][kPanel]
  const float* hidden_bias;  // [hidden_width]
  const float* heads;        // [hidden_width][kPanel]: emotion's labels, topic's, zeros
  const float* heads_bias;   // [kPanel]
  std::size_t labels;        // of both tasks, at most kPanel
};

// Room for one text of `tokens` ids and for the heads of kTextsTogether texts; aligned. Rows are
// kWidth wide. Row 0 of each input of a convolution is its zero and stays so.
struct Workspace {
  std::uint8_t* bytes[2];  // [tokens + 2] rows: inputs of the convolutions in INT8
  float* rows[2];          // [tokens + 2] rows; INT8 uses the second only
  float* attention[2];     // [tokens, rounded up to 16]
  float* hidden;           // [kTextsTogether, hidden_width]
};

inline constexpr std::uint8_t kSignedZero = 128;  // how a byte of bytes[0] says 0
inline constexpr std::uint8_t kUnsignedZero = 0;  // of bytes[1], which follows a Relu

// The same computation for one family of processors. All give the same bits: they are made from
// one source (kernel_body.h) that fixes the order of every sum. Threads: pure functions of their
// arguments; one workspace for each thread.
struct Kernel {
  const char* name;
  // One text of 1 or more ids, each within the vocabulary, to `pooled` [kPooled].
  void (*pool_int8)(const FastWeights& weights, const std::int32_t* ids, std::size_t tokens,
                    const Workspace& work, float* pooled);
  void (*pool_fp32)(const FastWeights& weights, const std::int32_t* ids, std::size_t tokens,
                    const Workspace& work, float* pooled);
  // 1 to kTextsTogether rows of `pooled` to as many rows of `logits` [kPanel].
  void (*classify)(const FastWeights& weights, const float* pooled, std::size_t texts,
                   const Workspace& work, float* logits);
};

extern const Kernel kPortableKernel;
#if defined(__x86_64__)
extern const Kernel kAvx2Kernel;    // needs AVX2, FMA and F16C
extern const Kernel kAvx512Kernel;  // needs AVX-512 F, BW, DQ, VL and VNNI
#endif

}  // namespace tidewatch::native
