// SPDX-License-Identifier: Apache-2.0
#include "infer/openvino/probe.h"

#include <fmt/format.h>

#include <algorithm>
#include <openvino/openvino.hpp>

#include "infer/openvino/shared_core.h"

namespace tidewatch {

struct TensorProbe::Request {
  ov::InferRequest infer;
};

TensorProbe::TensorProbe() = default;
TensorProbe::~TensorProbe() = default;

Result<std::unique_ptr<TensorProbe>> TensorProbe::create(const ModelManifest& manifest) {
  const std::string path = manifest.weights.path.string();
  try {
    std::unique_ptr<TensorProbe> probe(new TensorProbe);
    const auto model = shared_core().read_model(path);
    probe->layers_ = quantisable_layers(*model);
    if (probe->layers_.empty()) {
      return Error{Code::kInvalidArgument,
                   fmt::format("{}: no MatMul or Conv with constant weights", path)};
    }
    for (const GraphLayer& layer : probe->layers_) {
      auto& names = probe->tensors_;
      if (std::find(names.begin(), names.end(), layer.input) == names.end()) {
        names.push_back(layer.input);
        model->add_output(layer.input);
      }
    }
    probe->mask_.assign(manifest.max_length, 1);
    probe->request_ = std::make_unique<Request>();
    probe->request_->infer =
        shared_core()
            .compile_model(model, "CPU", ov::hint::inference_precision(ov::element::f32),
                           ov::hint::execution_mode(ov::hint::ExecutionMode::ACCURACY),
                           ov::num_streams(1))
            .create_infer_request();
    return probe;
  } catch (const std::exception& e) {
    return Error{Code::kInvalidArgument,
                 fmt::format("{}: OpenVINO cannot load it: {}", path, e.what())};
  }
}

Status TensorProbe::run(std::span<const std::int32_t> ids,
                        const std::function<void(std::size_t, std::span<const float>)>& see) {
  if (ids.empty() || ids.size() > mask_.size()) {
    return Error{Code::kInvalidArgument,
                 fmt::format("a text of {} ids: 1 to {} are taken", ids.size(), mask_.size())};
  }
  try {
    ov::InferRequest& infer = request_->infer;
    lend_inputs(infer, ids, mask_, {1, ids.size()});
    infer.infer();
    for (std::size_t i = 0; i < tensors_.size(); ++i) {
      const ov::Tensor tensor = infer.get_tensor(tensors_[i]);
      see(i, {tensor.data<const float>(), tensor.get_size()});
    }
  } catch (const std::exception& e) {
    return Error{Code::kInternal, fmt::format("calibration: OpenVINO: {}", e.what())};
  }
  return {};
}

}  // namespace tidewatch
