// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

namespace tidewatch {

// Numbered as gRPC's canonical status codes, so that the mapping at the edge is a cast.
// Shed (kResourceExhausted), expired (kDeadlineExceeded), cancelled (kCancelled) and failed
// (kInternal) are different codes on purpose: each has a counter of its own.
enum class Code : std::uint8_t {
  kOk = 0,
  kCancelled = 1,
  kUnknown = 2,
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kAlreadyExists = 6,
  kPermissionDenied = 7,
  kResourceExhausted = 8,
  kFailedPrecondition = 9,
  kAborted = 10,
  kOutOfRange = 11,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
  kDataLoss = 15,
};

// Names the code as gRPC spells it: "INVALID_ARGUMENT". Never fails.
std::string_view code_name(Code code) noexcept;

// Says what went wrong, where, and what to do about it. The message is for people and ends
// without a full stop: "models/base/manifest.json: field 'sha256' is missing; rebuild the model".
struct Error {
  Code code = Code::kUnknown;
  std::string message;
  // kResourceExhausted: after how long trying again makes sense; 0: not known.
  std::chrono::milliseconds retry_after{0};
};

// Holds a value of T or an Error. The compiler warns when one is dropped; dropping on purpose is
// spelled `.ignore("why")`. Not thread-safe (a plain value). Never empty: a default constructed
// Result does not exist.
//
//   Result<Vocabulary> vocabulary = Vocabulary::load(path);
//   if (!vocabulary) return vocabulary.error();
//   use(*vocabulary);
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT: implicit
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit

  bool ok() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return ok(); }

  // Precondition: ok().
  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  // Precondition: !ok().
  const Error& error() const& { return std::get<1>(state_); }
  Error&& error() && { return std::get<1>(std::move(state_)); }

  // Calls `next(value)` (which returns a Result) when there is a value, passes the error on if not.
  template <typename F>
  auto and_then(F&& next) && -> std::invoke_result_t<F, T&&> {
    if (!ok()) return std::move(*this).error();
    return std::forward<F>(next)(std::move(*this).value());
  }

  void ignore(std::string_view /*why*/) const noexcept {}

 private:
  std::variant<T, Error> state_;
};

// A Result without a value: success, or an Error.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT: implicit

  bool ok() const noexcept { return !error_.has_value(); }
  explicit operator bool() const noexcept { return ok(); }
  const Error& error() const& { return *error_; }
  Error&& error() && { return *std::move(error_); }
  void ignore(std::string_view /*why*/) const noexcept {}

 private:
  std::optional<Error> error_;
};

using Status = Result<void>;

// Returns the error of `expr` from the enclosing function, or goes on: TRY(store.open());
#define TRY(expr)                                                                    \
  do {                                                                               \
    if (auto try_status = (expr); !try_status) return std::move(try_status).error(); \
  } while (false)

#define TIDEWATCH_CONCAT_INNER(a, b) a##b
#define TIDEWATCH_CONCAT(a, b) TIDEWATCH_CONCAT_INNER(a, b)
// `lhs` may be a declaration, so it cannot stand in parentheses.
// NOLINTBEGIN(bugprone-macro-parentheses)
#define TIDEWATCH_TRY_ASSIGN(tmp, lhs, expr) \
  auto tmp = (expr);                         \
  if (!tmp) return std::move(tmp).error();   \
  lhs = std::move(tmp).value()
// NOLINTEND(bugprone-macro-parentheses)

// Binds the value of `expr` or returns its error: TRY_ASSIGN(auto manifest, read_manifest(path));
#define TRY_ASSIGN(lhs, expr) \
  TIDEWATCH_TRY_ASSIGN(TIDEWATCH_CONCAT(try_result_, __LINE__), lhs, expr)

}  // namespace tidewatch
