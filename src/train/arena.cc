#include "train/arena.h"

#include <cstring>

namespace firesteel {

void AlignedBytes::reset(size_t n_bytes) {
  size_ = (n_bytes + 63) / 64 * 64;
  bytes_.reset(static_cast<std::byte*>(std::aligned_alloc(64, size_ > 0 ? size_ : 64)));
  CHECK(bytes_ != nullptr);  // sizes are checked against the limits of the configuration before
  std::memset(bytes_.get(), 0, size_);
}

}  // namespace firesteel
