// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <openvino/runtime/core.hpp>
#include <openvino/runtime/infer_request.hpp>
#include <span>
#include <vector>

namespace tidewatch {

// OpenVINO's plugins are loaded once a process. Threads: safe. May throw ov::Exception.
ov::Core& shared_core();

// Lends a request its inputs: texts of equal length, `ids` and `mask` row-major [texts, tokens],
// which must live until it has run. May throw ov::Exception.
inline void lend_inputs(ov::InferRequest& request, std::span<const std::int32_t> ids,
                        std::vector<std::int32_t>& mask, const ov::Shape& shape) {
  // OpenVINO only reads inputs; its tensors have no const form.
  request.set_tensor("input_ids",
                     ov::Tensor(ov::element::i32, shape, const_cast<std::int32_t*>(ids.data())));
  request.set_tensor("attention_mask", ov::Tensor(ov::element::i32, shape, mask.data()));
}

}  // namespace tidewatch
