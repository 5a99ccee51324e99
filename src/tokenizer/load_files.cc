#include "tokenizer/vocabulary.h"

namespace firesteel {

Result<std::unique_ptr<const Tokenizer>> Tokenizer::from_file(const std::string& path, std::string_view) {
  return Error{ErrorCode::kUnsupported, path + ": tokenizer files are not read yet"};
}

}  // namespace firesteel
