// SHA-256, so that `sha256sum` checks what we wrote.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace firesteel {

std::string sha256_hex(std::string_view bytes);          // 64 lower-case digits
Result<std::string> sha256_file(const std::string& path);  // read in pieces

// Of bytes that come in pieces.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  void update(std::string_view bytes);
  std::string finish_hex();  // once

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace firesteel
