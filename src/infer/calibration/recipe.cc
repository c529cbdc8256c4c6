// SPDX-License-Identifier: Apache-2.0
#include "infer/calibration/recipe.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <system_error>

#include "infer/manifest.h"

namespace tidewatch {
namespace {

using nlohmann::json;

constexpr std::string_view kRemedy =
    "make it again with `tidewatch calibrate`, or fetch the model again";

std::string json_string(std::string_view text) { return json(text).dump(); }

// Reads fields; the first that is wrong stays in `error`.
class Reader {
 public:
  explicit Reader(const std::filesystem::path& file) : file_(file) {}

  void wrong(std::string_view field, std::string_view what) {
    if (error_) return;
    error_ = Error{Code::kInvalidArgument,
                   fmt::format("{}: '{}' {}; {}", file_.string(), field, what, kRemedy)};
  }
  const json& member(const json& object, const char* field) {
    static const json nothing;
    const auto it = object.is_object() ? object.find(field) : object.end();
    if (!object.is_object() || it == object.end()) {
      wrong(field, "is missing");
      return nothing;
    }
    return *it;
  }
  std::string text(const json& object, const char* field) {
    const json& value = member(object, field);
    if (value.is_string() && !value.get_ref<const std::string&>().empty()) return value;
    wrong(field, "must be a non-empty string");
    return {};
  }
  double number(const json& object, const char* field) {
    const json& value = member(object, field);
    if (value.is_number() && std::isfinite(value.get<double>())) return value;
    wrong(field, "must be a number");
    return 0;
  }
  std::uint64_t count(const json& object, const char* field) {
    const json& value = member(object, field);
    if (value.is_number_unsigned()) return value;
    wrong(field, "must be a whole number");
    return 0;
  }
  float scale(const json& value, std::string_view field) {
    const float read = value.is_number() ? value.get<float>() : 0.0F;
    if (read > 0 && std::isfinite(read)) return read;
    wrong(field, "must be a number above 0");
    return 1;
  }
  const json& array(const json& object, const char* field) {
    static const json empty = json::array();
    const json& value = member(object, field);
    if (value.is_array()) return value;
    wrong(field, "must be an array");
    return empty;
  }
  const std::optional<Error>& error() const { return error_; }

 private:
  const std::filesystem::path& file_;
  std::optional<Error> error_;
};

QuantisedLayer read_layer(Reader& r, const json& entry) {
  QuantisedLayer layer;
  layer.node = r.text(entry, "node");
  layer.op = r.text(entry, "op");
  layer.input = r.text(entry, "input");
  layer.weight = r.text(entry, "weight");
  layer.axis = static_cast<std::uint32_t>(std::min<std::uint64_t>(r.count(entry, "axis"), 8));
  for (const json& scale : r.array(entry, "scales")) {
    layer.scales.push_back(r.scale(scale, layer.weight));
  }
  if (layer.scales.empty()) r.wrong(layer.weight, "has no scales");
  return layer;
}

void read_set(Reader& r, const json& entry, CalibrationRecipe::Set& set) {
  set.source = r.text(entry, "source");
  set.date = r.text(entry, "date");
  set.texts_read = r.count(entry, "texts_read");
  set.texts = r.count(entry, "texts");
  set.seed = r.count(entry, "seed");
  set.vocabulary_share = r.number(entry, "vocabulary_share");
  for (const json& stratum : r.array(entry, "strata")) {
    set.strata.push_back(
        {r.text(stratum, "name"), r.count(stratum, "found"), r.count(stratum, "drawn")});
  }
}

void check_inputs(Reader& r, const CalibrationRecipe& recipe) {
  for (const QuantisedLayer& layer : recipe.layers) {
    const auto used = [&](const ActivationScale& a) { return a.tensor == layer.input; };
    const auto uses = std::count_if(recipe.activations.begin(), recipe.activations.end(), used);
    if (uses != 1) r.wrong(layer.input, fmt::format("has {} activation scales, not one", uses));
  }
  if (recipe.layers.empty()) r.wrong("layers", "names no layer");
}

}  // namespace

float rounded_scale(float scale) { return std::stof(fmt::format("{:.6g}", scale)); }

std::string to_json(const CalibrationRecipe& recipe) {
  std::string out;
  const auto add = [&](fmt::string_view format, const auto&... args) {
    fmt::vformat_to(std::back_inserter(out), format, fmt::make_format_args(args...));
  };
  add("{{\n\"format\": 1,\n\"model\": {},\n\"model_version\": {},\n\"model_sha256\": {},\n",
      json_string(recipe.model), json_string(recipe.model_version),
      json_string(recipe.model_sha256));
  add("\"activation_type\": \"int8, symmetric, per tensor\",\n"
      "\"weight_type\": \"int8, symmetric, per output channel, -127 to 127\",\n"
      "\"measured\": {{\"divergence\": {:.4g}, \"speedup\": {:.3g}}},\n",
      recipe.divergence, recipe.speedup);
  const CalibrationRecipe::Set& set = recipe.set;
  add("\"set\": {{\"source\": {}, \"date\": {}, \"texts_read\": {}, \"texts\": {}, \"seed\": {}, "
      "\"vocabulary_share\": {:.4g}, \"strata\": [",
      json_string(set.source), json_string(set.date), set.texts_read, set.texts, set.seed,
      set.vocabulary_share);
  for (std::size_t i = 0; i < set.strata.size(); ++i) {
    add("{}\n  {{\"name\": {}, \"found\": {}, \"drawn\": {}}}", i == 0 ? "" : ",",
        json_string(set.strata[i].name), set.strata[i].found, set.strata[i].drawn);
  }
  add("]}},\n\"activations\": [");
  for (std::size_t i = 0; i < recipe.activations.size(); ++i) {
    const ActivationScale& a = recipe.activations[i];
    add("{}\n  {{\"tensor\": {}, \"method\": {}, \"scale\": {:.6g}}}", i == 0 ? "" : ",",
        json_string(a.tensor), json_string(a.method), a.scale);
  }
  add("],\n\"kept_fp32\": [");
  for (std::size_t i = 0; i < recipe.kept_fp32.size(); ++i) {
    const KeptLayer& kept = recipe.kept_fp32[i];
    add("{}\n  {{\"node\": {}, \"weight\": {}, \"reason\": {}, \"divergence\": {:.4g}}}",
        i == 0 ? "" : ",", json_string(kept.node), json_string(kept.weight),
        json_string(kept.reason), kept.divergence);
  }
  add("],\n\"layers\": [");
  for (std::size_t i = 0; i < recipe.layers.size(); ++i) {
    const QuantisedLayer& layer = recipe.layers[i];
    add("{}\n  {{\"node\": {}, \"op\": {}, \"input\": {}, \"weight\": {}, \"axis\": {}, "
        "\"scales\": [",
        i == 0 ? "" : ",", json_string(layer.node), json_string(layer.op), json_string(layer.input),
        json_string(layer.weight), layer.axis);
    for (std::size_t k = 0; k < layer.scales.size(); ++k) {
      add("{}{:.6g}", k == 0 ? "" : ",", layer.scales[k]);
    }
    add("]}}");
  }
  add("]\n}}\n");
  return out;
}

Result<CalibrationRecipe> read_recipe(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::error_code ignored;
  const std::uint64_t bytes = std::filesystem::file_size(file, ignored);
  if (!in || ignored) {
    return Error{Code::kNotFound, fmt::format("{}: cannot be read; {}", file.string(), kRemedy)};
  }
  if (bytes > kRecipeBytesMax) {
    return Error{Code::kInvalidArgument,
                 fmt::format("{}: {} bytes, more than {}; {}", file.string(), bytes,
                             kRecipeBytesMax, kRemedy)};
  }
  const json root = json::parse(in, nullptr, /*allow_exceptions=*/false);
  if (root.is_discarded() || !root.is_object()) {
    return Error{Code::kInvalidArgument,
                 fmt::format("{}: not a JSON object (truncated?); {}", file.string(), kRemedy)};
  }
  Reader r(file);
  if (r.count(root, "format") != 1) r.wrong("format", "must be 1");
  CalibrationRecipe recipe;
  recipe.model = r.text(root, "model");
  recipe.model_version = r.text(root, "model_version");
  recipe.model_sha256 = r.text(root, "model_sha256");
  const json& measured = r.member(root, "measured");
  recipe.divergence = r.number(measured, "divergence");
  recipe.speedup = r.number(measured, "speedup");
  read_set(r, r.member(root, "set"), recipe.set);
  for (const json& a : r.array(root, "activations")) {
    recipe.activations.push_back(
        {r.text(a, "tensor"), r.text(a, "method"), r.scale(r.member(a, "scale"), "scale")});
  }
  for (const json& kept : r.array(root, "kept_fp32")) {
    recipe.kept_fp32.push_back({r.text(kept, "node"), r.text(kept, "weight"),
                                r.text(kept, "reason"), r.number(kept, "divergence")});
  }
  for (const json& layer : r.array(root, "layers")) recipe.layers.push_back(read_layer(r, layer));
  check_inputs(r, recipe);
  if (r.error()) return *r.error();
  return recipe;
}

Result<CalibrationRecipe> recipe_for(const ModelManifest& manifest) {
  if (!manifest.calibration) {
    return Error{Code::kFailedPrecondition,
                 fmt::format("model '{}' has no INT8 calibration; make one with `tidewatch "
                             "calibrate --model {}`",
                             manifest.name, manifest.name)};
  }
  TRY_ASSIGN(CalibrationRecipe recipe, read_recipe(manifest.calibration->path));
  if (recipe.model_sha256 != manifest.weights.sha256) {
    return Error{Code::kFailedPrecondition,
                 fmt::format("{}: made for weights with sha256 {} but the model's is {}; make it "
                             "again with `tidewatch calibrate --model {}`",
                             manifest.calibration->path.string(), recipe.model_sha256,
                             manifest.weights.sha256, manifest.name)};
  }
  return recipe;
}

Status write_atomically(const std::filesystem::path& file, std::string_view bytes) {
  const std::string temporary = fmt::format("{}.{}.tmp", file.string(), ::getpid());
  const auto failed = [&](const char* what) {
    const Error error{Code::kUnavailable,
                      fmt::format("{}: {}: {}", file.string(), what, std::strerror(errno))};
    ::unlink(temporary.c_str());
    return error;
  };
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return failed("cannot be written");
  std::string_view left = bytes;
  while (!left.empty()) {
    const ssize_t written = ::write(fd, left.data(), left.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      ::close(fd);
      return failed("writing failed");
    }
    left.remove_prefix(static_cast<std::size_t>(written));
  }
  const bool synced = ::fsync(fd) == 0;
  if (::close(fd) != 0 || !synced) return failed("writing failed");
  if (::rename(temporary.c_str(), file.c_str()) != 0) return failed("cannot be replaced");
  return {};
}

}  // namespace tidewatch
