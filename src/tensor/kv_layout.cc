#include "tensor/kv_layout.h"

namespace firesteel {

const char* kv_type_name(KvType type) {
  switch (type) {
    case KvType::kF32: return "f32";
    case KvType::kBF16: return "bf16";
    case KvType::kInt8: return "int8";
  }
  return "?";
}

}  // namespace firesteel
