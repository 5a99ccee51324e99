#include "train/checkpoint_file.h"

#include <cstring>

#include "base/json.h"
#include "base/mapped_file.h"
#include "checkpoint/hash128.h"

namespace firesteel {
namespace {

constexpr std::string_view kMagic = "FSTRAIN1";
constexpr size_t kHashDigits = 32;
constexpr uint64_t kHeaderMax = 1u << 16;

Error damaged(const std::string& path, const std::string& what) { return {ErrorCode::kDataLoss, path + ": " + what}; }

}  // namespace

Status write_train_state(const std::string& path, const TrainState& state) {
  Json header = Json::Object{{"digest", state.digest},
                             {"shape", state.shape_digest},
                             {"step", state.step},
                             {"tokens", state.n_tokens},
                             {"samples", state.n_samples},
                             {"position", static_cast<int64_t>(state.position)},
                             {"smooth_loss", state.smooth_loss},
                             {"best_loss", state.best_loss},
                             {"parameters", static_cast<int64_t>(state.weights.size())}};
  const std::string text = header.dump();
  FS_TRY(AtomicFileWriter writer, AtomicFileWriter::create(path));
  Hash128 hash;
  const auto write = [&](std::span<const std::byte> bytes) {
    hash.update(bytes);
    return writer.write(bytes);
  };
  const uint64_t length = text.size();
  FS_TRY_VOID(write(std::as_bytes(std::span(kMagic))));
  FS_TRY_VOID(write(std::as_bytes(std::span(&length, 1))));
  FS_TRY_VOID(write(std::as_bytes(std::span(text))));
  for (const std::vector<float>* array : {&state.weights, &state.m, &state.v}) FS_TRY_VOID(write(std::as_bytes(std::span(*array))));
  FS_TRY_VOID(writer.write(hash.finish_hex()));
  return writer.commit();
}

Result<TrainState> read_train_state(const std::string& path) {
  FS_TRY(const MappedFile file, MappedFile::open(path));
  const std::span<const std::byte> bytes = file.bytes();
  const size_t fixed = kMagic.size() + sizeof(uint64_t);
  if (bytes.size() < fixed + kHashDigits || std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) != 0) return damaged(path, "not a training checkpoint");
  uint64_t length = 0;
  std::memcpy(&length, bytes.data() + kMagic.size(), sizeof length);
  if (length > kHeaderMax || length > bytes.size() - fixed - kHashDigits) return damaged(path, "the header is longer than the file");
  Hash128 hash;
  hash.update(bytes.first(bytes.size() - kHashDigits));
  const std::string_view stored(reinterpret_cast<const char*>(bytes.data() + bytes.size() - kHashDigits), kHashDigits);
  if (hash.finish_hex() != stored) return damaged(path, "the checksum does not match: the file is damaged or cut short");
  const Result<Json> header = Json::parse({reinterpret_cast<const char*>(bytes.data() + fixed), length});
  if (!header.ok()) return damaged(path, "header: " + header.error().message);
  TrainState state;
  const auto integer = [&](const char* key) {
    const Json* value = header->find(key);
    return value != nullptr && value->is_int() ? value->as_int() : int64_t{-1};
  };
  const auto number = [&](const char* key) {
    const Json* value = header->find(key);
    return value != nullptr && value->is_number() ? value->as_double() : 0.0;
  };
  const Json *digest = header->find("digest"), *shape = header->find("shape");
  if (digest == nullptr || !digest->is_string() || shape == nullptr || !shape->is_string()) return damaged(path, "header: no digest");
  state.digest = digest->as_string();
  state.shape_digest = shape->as_string();
  state.step = integer("step");
  state.n_tokens = integer("tokens");
  state.n_samples = integer("samples");
  state.position = static_cast<uint64_t>(integer("position"));
  state.smooth_loss = number("smooth_loss");
  state.best_loss = number("best_loss");
  const int64_t n = integer("parameters");
  const size_t data_bytes = bytes.size() - fixed - length - kHashDigits;
  if (state.step < 0 || state.n_tokens < 0 || n < 0 || static_cast<uint64_t>(n) > data_bytes / 12 || static_cast<size_t>(n) * 12 != data_bytes) {
    return damaged(path, "header: expected " + std::to_string(n) + " parameters, found " + std::to_string(data_bytes) + " bytes of state");
  }
  const std::byte* data = bytes.data() + fixed + length;
  for (std::vector<float>* array : {&state.weights, &state.m, &state.v}) {
    array->resize(static_cast<size_t>(n));
    std::memcpy(array->data(), data, static_cast<size_t>(n) * sizeof(float));
    data += static_cast<size_t>(n) * sizeof(float);
  }
  return state;
}

}  // namespace firesteel
