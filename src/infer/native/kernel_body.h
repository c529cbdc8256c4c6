// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "infer/native/kernel.h"

// The computation itself, once for all processors: `Isa` gives vectors of 16 floats (F) and of 16
// 32-bit integers (I) and the few operations on them. Templates only, of an Isa that is private to
// its file: see kernel.h. Products and sums happen in one written order, with explicit fused
// multiply-adds (the files are compiled with -ffp-contract=off), so that every Isa gives the same
// bits.
namespace tidewatch::native {

inline constexpr std::size_t kLanes = 16;
inline constexpr std::size_t kVectorsOfRow = kWidth / kLanes;

#define INLINED __attribute__((always_inline))

// Calls body(0) … body(N - 1) with constants: g++ keeps an array in registers only if it sees
// nothing but constant indices from the start.
template <std::size_t N, typename Body>
INLINED inline void unrolled(Body body) {
  [&]<std::size_t... I>(std::index_sequence<I...>) INLINED {
    (body(std::integral_constant<std::size_t, I>{}), ...);
  }(std::make_index_sequence<N>{});
}

// Rows of a block are a template argument, so that accumulators stay in registers; this turns the
// number of rows that are left into one.
template <std::size_t RowsMax, typename Run>
INLINED inline void with_rows(std::size_t rows, Run run) {
  if constexpr (RowsMax > 0) {
    if (rows == RowsMax) {
      run.template operator()<RowsMax>();
    } else {
      with_rows<RowsMax - 1>(rows, run);
    }
  }
}

template <std::size_t RowsMax, typename Run>
INLINED inline void for_row_blocks(std::size_t rows, Run run) {
  std::size_t row = 0;
  for (; row + RowsMax <= rows; row += RowsMax) run.template operator()<RowsMax>(row);
  with_rows<RowsMax - 1>(rows - row,
                         [&]<std::size_t Rows>() INLINED { run.template operator()<Rows>(row); });
}

// acc[r][v] = bias + sum over k of in[r][k] * weights[k][v]; weights are rows of kPanel.
template <typename Isa, std::size_t Rows, std::size_t Vectors>
INLINED inline void multiply_floats(const float* in, std::size_t stride, std::size_t depth,
                                    const float* weights, const float* bias,
                                    typename Isa::F (&acc)[Rows][Vectors]) {
  unrolled<Rows>([&](auto r) INLINED {
    unrolled<Vectors>([&](auto v) INLINED { acc[r][v] = Isa::load(bias + v * kLanes); });
  });
#pragma GCC unroll 1
  for (std::size_t k = 0; k < depth; ++k) {
    typename Isa::F w[Vectors];
    unrolled<Vectors>([&](auto v) INLINED { w[v] = Isa::load(weights + k * kPanel + v * kLanes); });
    unrolled<Rows>([&](auto r) INLINED {
      const typename Isa::F a = Isa::broadcast(in[r * stride + k]);
      unrolled<Vectors>([&](auto v) INLINED { acc[r][v] = Isa::fma(a, w[v], acc[r][v]); });
    });
  }
}

// The same of bytes: the window of row r begins at in + r * kWidth.
template <typename Isa, bool Signed, std::size_t Rows, std::size_t Vectors>
INLINED inline void multiply_bytes(const std::uint8_t* in, const std::int8_t* weights,
                                   const std::int32_t* start,
                                   typename Isa::I (&acc)[Rows][Vectors]) {
  unrolled<Rows>([&](auto r) INLINED {
    unrolled<Vectors>([&](auto v)
                          INLINED { acc[r][v] = Isa::template start<Signed>(start + v * kLanes); });
  });
#pragma GCC unroll 1
  for (std::size_t k = 0; k < kWindow; k += 4) {
    typename Isa::Weights w[Vectors];
    unrolled<Vectors>(
        [&](auto v) INLINED { w[v] = Isa::load_weights(weights + k * kPanel + v * kLanes * 4); });
    unrolled<Rows>([&](auto r) INLINED {
      const typename Isa::Inputs a = Isa::template load_inputs<Signed>(in + r * kWidth + k);
      unrolled<Vectors>([&](auto v)
                            INLINED { acc[r][v] = Isa::template dot<Signed>(acc[r][v], a, w[v]); });
    });
  }
}

// Calls store(row, channel, value) with each vector of Relu(convolution).
template <typename Isa, bool Signed, typename Store>
INLINED inline void convolve_bytes(const ConvolutionView& layer, const std::uint8_t* in,
                                   std::size_t tokens, Store store) {
  constexpr std::size_t kStep = Isa::kByteVectors * kLanes;
  const typename Isa::F zero = Isa::broadcast(0.0F);
  for (std::size_t channel = 0; channel < kWidth; channel += kStep) {
    const std::int8_t* weights =
        layer.bytes + channel / kPanel * kPanel * kWindow + channel % kPanel * 4;
    for_row_blocks<Isa::kByteRows>(tokens, [&]<std::size_t Rows>(std::size_t row) INLINED {
      typename Isa::I acc[Rows][Isa::kByteVectors];
      multiply_bytes<Isa, Signed, Rows, Isa::kByteVectors>(in + row * kWidth, weights,
                                                           layer.start + channel, acc);
      unrolled<Isa::kByteVectors>([&](auto v) INLINED {
        const std::size_t at = channel + v * kLanes;
        const typename Isa::F scale = Isa::load(layer.scale + at);
        const typename Isa::F bias = Isa::load(layer.bias + at);
        unrolled<Rows>([&](auto r) INLINED {
          store(row + r, at, Isa::max(Isa::fma(Isa::to_float(acc[r][v]), scale, bias), zero));
        });
      });
    });
  }
}

template <typename Isa, typename Store>
INLINED inline void convolve_floats(const ConvolutionView& layer, const float* in,
                                    std::size_t tokens, Store store) {
  constexpr std::size_t kStep = Isa::kFloatVectors * kLanes;
  const typename Isa::F zero = Isa::broadcast(0.0F);
  for (std::size_t channel = 0; channel < kWidth; channel += kStep) {
    const float* weights = layer.floats + channel / kPanel * kPanel * kWindow + channel % kPanel;
    for_row_blocks<Isa::kFloatRows>(tokens, [&]<std::size_t Rows>(std::size_t row) INLINED {
      typename Isa::F acc[Rows][Isa::kFloatVectors];
      multiply_floats<Isa, Rows, Isa::kFloatVectors>(in + row * kWidth, kWidth, kWindow, weights,
                                                     layer.bias + channel, acc);
      unrolled<Rows>([&](auto r) INLINED {
        unrolled<Isa::kFloatVectors>([&](auto v) INLINED {
          store(row + r, channel + v * kLanes, Isa::max(acc[r][v], zero));
        });
      });
    });
  }
}

// Calls store(token, channel, value) with each vector of word + bigram.
template <typename Isa, bool Half, typename Store>
INLINED inline void embed(const FastWeights& weights, const std::int32_t* ids, std::size_t tokens,
                          Store store) {
  constexpr std::size_t kBytes = Half ? 2 : 4;  // of a value
  constexpr std::size_t kAhead = 6;             // tokens whose rows are asked for early
  const auto* word = static_cast<const std::uint8_t*>(weights.word);
  const auto* bigram = static_cast<const std::uint8_t*>(weights.bigram);
  const auto word_row = [&](std::size_t t) INLINED {
    return word + static_cast<std::size_t>(ids[t]) * kWidth * kBytes;
  };
  const auto bigram_row = [&](std::size_t t) INLINED {
    const std::int64_t previous = t == 0 ? 0 : ids[t - 1];
    const std::int64_t bucket = (previous * weights.bigram_factor + ids[t]) %
                                static_cast<std::int64_t>(weights.bigram_buckets);
    return bigram + static_cast<std::size_t>(bucket) * kWidth * kBytes;
  };
  const auto fetch = [&](std::size_t t) INLINED {
    const std::uint8_t* rows[2] = {word_row(t), bigram_row(t)};
    for (const std::uint8_t* row : rows) {
      for (std::size_t at = 0; at < kWidth * kBytes; at += 64) __builtin_prefetch(row + at);
    }
  };
  for (std::size_t t = 0; t < kAhead && t < tokens; ++t) fetch(t);
  for (std::size_t t = 0; t < tokens; ++t) {
    if (t + kAhead < tokens) fetch(t + kAhead);
    const std::uint8_t* a = word_row(t);
    const std::uint8_t* b = bigram_row(t);
    unrolled<kVectorsOfRow>([&](auto v) INLINED {
      constexpr std::size_t c = v * kLanes;
      store(t, c,
            Isa::add(Isa::template load_table<Half>(a + c * kBytes),
                     Isa::template load_table<Half>(b + c * kBytes)));
    });
  }
}

template <typename Isa, typename Store>
INLINED inline void embed_any(const FastWeights& weights, const std::int32_t* ids,
                              std::size_t tokens, Store store) {
  if (weights.half_tables) {
    embed<Isa, true>(weights, ids, tokens, store);
  } else {
    embed<Isa, false>(weights, ids, tokens, store);
  }
}

// exp(x) for x <= 0, within 2e-7 of it; below -87 it stays at exp(-87).
template <typename Isa>
INLINED inline typename Isa::F exponential(typename Isa::F x) {
  using F = typename Isa::F;
  x = Isa::max(x, Isa::broadcast(-87.0F));
  const F n = Isa::round(Isa::mul(x, Isa::broadcast(1.44269504F)));
  F r = Isa::fma(n, Isa::broadcast(-0.693359375F), x);  // ln 2 in two parts
  r = Isa::fma(n, Isa::broadcast(2.12194440e-4F), r);
  F p = Isa::broadcast(1.9875691500e-4F);
  p = Isa::fma(p, r, Isa::broadcast(1.3981999507e-3F));
  p = Isa::fma(p, r, Isa::broadcast(8.3334519073e-3F));
  p = Isa::fma(p, r, Isa::broadcast(4.1665795894e-2F));
  p = Isa::fma(p, r, Isa::broadcast(1.6666665459e-1F));
  p = Isa::fma(p, r, Isa::broadcast(5.0000001201e-1F));
  p = Isa::fma(p, Isa::mul(r, r), Isa::add(r, Isa::broadcast(1.0F)));
  return Isa::times_power_of_two(p, n);
}

// Scores become exp(score - the largest); returns 1 / their sum. Lanes past the text count as 0.
template <typename Isa>
INLINED inline float soften(float* scores, std::size_t tokens) {
  const std::size_t padded = (tokens + kLanes - 1) / kLanes * kLanes;
  for (std::size_t t = tokens; t < padded; ++t) scores[t] = -1e30F;
  typename Isa::F top = Isa::load(scores);
  for (std::size_t t = kLanes; t < padded; t += kLanes) top = Isa::max(Isa::load(scores + t), top);
  float lanes[kLanes] __attribute__((aligned(64)));
  Isa::store(lanes, top);
  float most = lanes[0];
  for (const float lane : lanes) most = lane > most ? lane : most;
  const typename Isa::F minus = Isa::broadcast(-most);
  typename Isa::F sum = Isa::broadcast(0.0F);
  for (std::size_t t = 0; t < padded; t += kLanes) {
    const typename Isa::F e = exponential<Isa>(Isa::add(Isa::load(scores + t), minus));
    Isa::store(scores + t, e);
    sum = Isa::add(sum, e);
  }
  return 1.0F / Isa::sum(sum);
}

// The two attention pools of `rows` [tokens, kWidth] to pooled [2, kWidth].
template <typename Isa>
INLINED inline void attend(const FastWeights& weights, const float* rows, std::size_t tokens,
                           const Workspace& work, float* pooled) {
  using F = typename Isa::F;
  for (std::size_t t = 0; t < tokens; ++t) {
    F first = Isa::broadcast(0.0F);
    F second = first;
    unrolled<kVectorsOfRow>([&](auto v) INLINED {
      constexpr std::size_t c = v * kLanes;
      const F z = Isa::load(rows + t * kWidth + c);
      first = Isa::fma(z, Isa::load(weights.attention + c), first);
      second = Isa::fma(z, Isa::load(weights.attention + kWidth + c), second);
    });
    work.attention[0][t] = Isa::sum(first) + weights.attention_bias[0];
    work.attention[1][t] = Isa::sum(second) + weights.attention_bias[1];
  }
  const float inverse[2] = {soften<Isa>(work.attention[0], tokens),
                            soften<Isa>(work.attention[1], tokens)};
  constexpr std::size_t kVectors = Isa::kPoolVectors;
  for (std::size_t channel = 0; channel < kWidth; channel += kVectors * kLanes) {
    F acc[2][kVectors];
    unrolled<kVectors>([&](auto v) INLINED { acc[0][v] = acc[1][v] = Isa::broadcast(0.0F); });
    for (std::size_t t = 0; t < tokens; ++t) {
      const F a = Isa::broadcast(work.attention[0][t]);
      const F b = Isa::broadcast(work.attention[1][t]);
      unrolled<kVectors>([&](auto v) INLINED {
        const F z = Isa::load(rows + t * kWidth + channel + v * kLanes);
        acc[0][v] = Isa::fma(a, z, acc[0][v]);
        acc[1][v] = Isa::fma(b, z, acc[1][v]);
      });
    }
    unrolled<2>([&](auto pool) INLINED {
      unrolled<kVectors>([&](auto v) INLINED {
        Isa::store(pooled + pool * kWidth + channel + v * kLanes,
                   Isa::mul(acc[pool][v], Isa::broadcast(inverse[pool])));
      });
    });
  }
}

template <typename Isa>
void pool_int8(const FastWeights& weights, const std::int32_t* ids, std::size_t tokens,
               const Workspace& work, float* pooled) {
  using F = typename Isa::F;
  const F first_inverse = Isa::broadcast(weights.convolutions[0].input_inverse);
  const F second_inverse = Isa::broadcast(weights.convolutions[1].input_inverse);
  std::uint8_t* x = work.bytes[0];
  std::uint8_t* y = work.bytes[1];
  float* z = work.rows[1];
  for (std::size_t c = 0; c < kWidth; ++c) {  // the row after the text's last
    x[(tokens + 1) * kWidth + c] = kSignedZero;
    y[(tokens + 1) * kWidth + c] = kUnsignedZero;
  }
  embed_any<Isa>(weights, ids, tokens, [&](std::size_t t, std::size_t c, F value) INLINED {
    Isa::template store_bytes<true>(x + (t + 1) * kWidth + c, Isa::mul(value, first_inverse));
  });
  convolve_bytes<Isa, true>(
      weights.convolutions[0], x, tokens, [&](std::size_t t, std::size_t c, F value) INLINED {
        Isa::store(z + t * kWidth + c, value);
        Isa::template store_bytes<false>(y + (t + 1) * kWidth + c, Isa::mul(value, second_inverse));
      });
  float* most = pooled + 2 * kWidth;
  for (std::size_t c = 0; c < kWidth; ++c) most[c] = 0;  // no value is below it after a Relu
  convolve_bytes<Isa, false>(weights.convolutions[1], y, tokens,
                             [&](std::size_t t, std::size_t c, F value) INLINED {
                               const F both = Isa::add(Isa::load(z + t * kWidth + c), value);
                               Isa::store(z + t * kWidth + c, both);
                               Isa::store(most + c, Isa::max(both, Isa::load(most + c)));
                             });
  attend<Isa>(weights, z, tokens, work, pooled);
}

template <typename Isa>
void pool_fp32(const FastWeights& weights, const std::int32_t* ids, std::size_t tokens,
               const Workspace& work, float* pooled) {
  using F = typename Isa::F;
  float* x = work.rows[0];
  float* y = work.rows[1];
  for (std::size_t c = 0; c < kWidth; ++c) {
    x[c] = 0;  // the last text's result lay there
    x[(tokens + 1) * kWidth + c] = y[(tokens + 1) * kWidth + c] = 0;
  }
  embed_any<Isa>(weights, ids, tokens, [&](std::size_t t, std::size_t c, F value) INLINED {
    Isa::store(x + (t + 1) * kWidth + c, value);
  });
  convolve_floats<Isa>(weights.convolutions[0], x, tokens,
                       [&](std::size_t t, std::size_t c, F value)
                           INLINED { Isa::store(y + (t + 1) * kWidth + c, value); });
  float* most = pooled + 2 * kWidth;
  for (std::size_t c = 0; c < kWidth; ++c) most[c] = 0;
  convolve_floats<Isa>(weights.convolutions[1], y, tokens,
                       [&](std::size_t t, std::size_t c, F value) INLINED {
                         const F both = Isa::add(Isa::load(y + (t + 1) * kWidth + c), value);
                         Isa::store(x + t * kWidth + c, both);  // x has been read
                         Isa::store(most + c, Isa::max(both, Isa::load(most + c)));
                       });
  attend<Isa>(weights, x, tokens, work, pooled);
}

template <typename Isa>
void classify(const FastWeights& weights, const float* pooled, std::size_t texts,
              const Workspace& work, float* logits) {
  using F = typename Isa::F;
  constexpr std::size_t kVectors = Isa::kFloatVectors;
  const F zero = Isa::broadcast(0.0F);
  with_rows<kTextsTogether>(texts, [&]<std::size_t Rows>() INLINED {
    F acc[Rows][kVectors];
    const auto store = [&](float* to, std::size_t stride, bool relu) INLINED {
      for (std::size_t r = 0; r < Rows; ++r) {
        for (std::size_t v = 0; v < kVectors; ++v) {
          const F value = relu ? Isa::max(acc[r][v], zero) : acc[r][v];
          Isa::store(to + r * stride + v * kLanes, value);
        }
      }
    };
    for (std::size_t c = 0; c < weights.hidden_width; c += kVectors * kLanes) {
      multiply_floats<Isa, Rows, kVectors>(
          pooled, kPooled, kPooled, weights.hidden + c / kPanel * kPanel * kPooled + c % kPanel,
          weights.hidden_bias + c, acc);
      store(work.hidden + c, weights.hidden_width, true);
    }
    for (std::size_t c = 0; c < weights.labels; c += kVectors * kLanes) {
      multiply_floats<Isa, Rows, kVectors>(work.hidden, weights.hidden_width, weights.hidden_width,
                                           weights.heads + c, weights.heads_bias + c, acc);
      store(logits + c, kPanel, false);
    }
  });
}

#undef INLINED

}  // namespace tidewatch::native
