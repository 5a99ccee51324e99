// Result<T>: a value, or an Error that a person can act on. For errors of the world (files, requests, configuration, limits);
// our own bugs are CHECKs. std::expected needs C++23, so this is ours.
#pragma once

#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

#include "base/check.h"

namespace firesteel {

enum class ErrorCode {
  kInvalidArgument,     // the caller asked for something that cannot be done (HTTP 400)
  kNotFound,            // no such file, model, id (404)
  kDataLoss,            // a file is truncated, corrupt or contradicts itself
  kUnsupported,         // valid, but not implemented here; the message names what
  kResourceExhausted,   // a limit was met; may succeed later (429)
  kFailedPrecondition,  // right request, wrong state
  kCancelled,
  kDeadlineExceeded,
  kIo,                  // the operating system refused; the message has its reason
  kUnauthenticated,     // no valid key (401)
  kPermissionDenied,    // a valid key that may not do this (403)
  kUnavailable,         // storage or another part cannot be used now; may succeed later, nothing was done (503)
  kInternal,
};

// "invalid argument", "data loss" ...: stable, for messages and JSON.
const char* error_code_name(ErrorCode code);

// The message names the thing, what was expected and what was found, and no secret.
struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;
};

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT: implicit on purpose, `return value;`
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit on purpose, `return Error{...};`

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  // Reading the value of a failed Result, or the error of a good one, is our bug and CHECKs.
  T& value() & { return checked(std::get_if<0>(&state_)); }
  const T& value() const& { return checked(std::get_if<0>(&state_)); }
  T&& value() && { return std::move(checked(std::get_if<0>(&state_))); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  const Error& error() const& { return checked(std::get_if<1>(&state_)); }
  Error&& error() && { return std::move(checked(std::get_if<1>(&state_))); }

 private:
  template <typename U>
  static U& checked(U* alternative) {
    CHECK(alternative != nullptr);
    return *alternative;
  }

  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT: implicit on purpose
  bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  const Error& error() const& { CHECK(!ok()); return *error_; }
  Error&& error() && { CHECK(!ok()); return std::move(*error_); }

 private:
  std::optional<Error> error_;
};

using Status = Result<void>;

}  // namespace firesteel

#define FS_CONCAT_INNER(a, b) a##b
#define FS_CONCAT(a, b) FS_CONCAT_INNER(a, b)

// FS_TRY(const Config config, read_config(file)); declares `config`, or returns the error.
#define FS_TRY(declaration, ...) FS_TRY_NAMED(FS_CONCAT(fs_result_, __LINE__), declaration, __VA_ARGS__)
#define FS_TRY_NAMED(name, declaration, ...)       \
  auto name = (__VA_ARGS__);                       \
  if (!name.ok()) return std::move(name).error();  \
  declaration = std::move(name).value()

// FS_TRY_VOID(expression); for Result<void>.
#define FS_TRY_VOID(...)                                                           \
  do {                                                                             \
    if (auto fs_status = (__VA_ARGS__); !fs_status.ok()) return std::move(fs_status).error(); \
  } while (false)
