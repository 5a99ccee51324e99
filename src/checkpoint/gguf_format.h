// Numbers of the GGUF container that reader and writer share. Source: GGUF specification; docs/formats/gguf.md.
#pragma once

#include <cstdint>
#include <string>

namespace firesteel::gguf {

inline constexpr uint32_t kMagic = 0x46554747;  // "GGUF", little-endian
inline constexpr uint32_t kVersion = 3;
inline constexpr uint32_t kDefaultAlignment = 32;

enum class ValueType : uint32_t {
  kU8 = 0, kI8 = 1, kU16 = 2, kI16 = 3, kU32 = 4, kI32 = 5, kF32 = 6, kBool = 7, kString = 8, kArray = 9, kU64 = 10, kI64 = 11, kF64 = 12,
};
inline constexpr uint32_t kNValueTypes = 13;

// Limits of what we read; larger is refused by name. Counts: well above any model, low enough that indices fit 32 bits.
inline constexpr uint64_t kMaxTensors = 1u << 24;
inline constexpr uint64_t kMaxKeys = 1u << 24;
inline constexpr uint64_t kMaxArray = 1u << 24;      // elements; token lists are the longest
inline constexpr uint64_t kMaxKeyBytes = 65535;      // by the specification
inline constexpr uint64_t kMaxNameBytes = 64;        // by the specification
inline constexpr uint32_t kMaxArrayDepth = 4;
inline constexpr uint32_t kMaxDims = 4;
inline constexpr uint64_t kMaxSplits = 4096;

// "IQ2_XXS", "Q4_2 (removed from the format)", "unknown": for messages about types that dtype.h does not have.
std::string type_name(uint32_t ggml_type);

}  // namespace firesteel::gguf
