#include "checkpoint/gguf_format.h"

#include "tensor/dtype.h"

namespace firesteel::gguf {

std::string type_name(uint32_t ggml_type) {
  if (const auto dtype = dtype_from_gguf_id(ggml_type)) return dtype_info(*dtype).name;
  switch (ggml_type) {
    case 4: return "Q4_2 (removed from the format)";
    case 5: return "Q4_3 (removed from the format)";
    case 9: return "Q8_1 (not for files)";
    case 15: return "Q8_K (not for files)";
    case 16: return "IQ2_XXS";
    case 17: return "IQ2_XS";
    case 18: return "IQ3_XXS";
    case 19: return "IQ1_S";
    case 21: return "IQ3_S";
    case 22: return "IQ2_S";
    case 24: return "I8";
    case 25: return "I16";
    case 26: return "I32";
    case 27: return "I64";
    case 28: return "F64";
    case 29: return "IQ1_M";
    case 31: return "Q4_0_4_4 (removed from the format)";
    case 32: return "Q4_0_4_8 (removed from the format)";
    case 33: return "Q4_0_8_8 (removed from the format)";
    case 34: return "TQ1_0";
    case 35: return "TQ2_0";
    case 36: return "IQ4_NL_4_4 (removed from the format)";
    case 37: return "IQ4_NL_4_8 (removed from the format)";
    case 38: return "IQ4_NL_8_8 (removed from the format)";
    case 40: return "NVFP4";
    case 41: return "Q1_0";
    case 42: return "Q2_0";
    default: return "unknown";
  }
}

}  // namespace firesteel::gguf
