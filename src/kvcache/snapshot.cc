#include "kvcache/snapshot.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/check.h"
#include "base/checked.h"

namespace firesteel {
namespace {

constexpr char kMagic[8] = {'F', 'S', 'K', 'V', 'S', 'N', 'A', 'P'};
constexpr uint32_t kVersion = 1;
constexpr uint64_t kPage = 4096;
constexpr uint64_t kTokensMax = uint64_t{1} << 28;
constexpr uint32_t kIdentityBytesMax = 4096;
static_assert(std::endian::native == std::endian::little, "the file is little-endian and read in place");

struct Fixed {
  char magic[8];
  uint32_t version, header_bytes;
  uint32_t kv_type, n_layers, n_kv_heads, head_dim, block_tokens, identity_bytes;
  uint64_t block_bytes, n_tokens, n_blocks;
};
static_assert(sizeof(Fixed) == 64);

constexpr uint64_t align8(uint64_t n) { return (n + 7) / 8 * 8; }

// Offsets in a header; every field was capped before, so sums cannot overflow.
struct Offsets {
  uint64_t tokens, hashes, header_hash, end;
  Offsets(uint64_t identity_bytes, uint64_t n_tokens, uint64_t n_blocks)
      : tokens(align8(sizeof(Fixed) + identity_bytes)),
        hashes(align8(tokens + n_tokens * sizeof(TokenId))),
        header_hash(hashes + n_blocks * 8),
        end((header_hash + 8 + kPage - 1) / kPage * kPage) {}
};

Error corrupt(const std::string& path, const std::string& what) { return {ErrorCode::kDataLoss, path + ": snapshot: " + what}; }
Error mismatch(const std::string& path, const std::string& what, const std::string& expected, const std::string& found) {
  return {ErrorCode::kFailedPrecondition, path + ": snapshot: " + what + ": expected " + expected + ", found " + found};
}

uint64_t mix(uint64_t hash, uint64_t word) { return std::rotl((hash ^ word) * 0x9FB21C651E98DF25u, 29); }

}  // namespace

// Four independent lanes, so that the multiplications overlap; lanes, length and rest are folded at the end.
uint64_t snapshot_hash(std::span<const std::byte> bytes) {
  uint64_t lanes[4] = {0x243F6A8885A308D3, 0x13198A2E03707344, 0xA4093822299F31D0, 0x082EFA98EC4E6C89};
  size_t at = 0;
  for (; bytes.size() - at >= 32; at += 32) {
    for (size_t lane = 0; lane < 4; ++lane) {
      uint64_t word = 0;
      std::memcpy(&word, bytes.data() + at + lane * 8, 8);
      lanes[lane] = mix(lanes[lane], word);
    }
  }
  uint64_t hash = bytes.size();
  for (const uint64_t lane : lanes) hash = mix(hash, lane);
  while (at < bytes.size()) {
    uint64_t word = 0;
    const size_t n = std::min<size_t>(8, bytes.size() - at);
    std::memcpy(&word, bytes.data() + at, n);
    hash = mix(hash, word);
    at += n;
  }
  hash ^= hash >> 32;
  hash *= 0xD6E8FEB86659FD93u;
  return hash ^ (hash >> 29);
}

void clear_slots(const KvLayout& layout, std::byte* block, int first_slot) {
  CHECK(first_slot >= 0 && first_slot <= kKvBlockTokens);
  const auto head_dim = static_cast<size_t>(layout.head_dim);
  // K is [T/16][head_dim/g][16][g] elements, V is [T/g][head_dim][g] (g = 1 for f32, 2 for bf16, 4 for int8).
  const size_t elem = layout.type == KvType::kF32 ? 4 : layout.type == KvType::kBF16 ? 2 : 1;
  const size_t group = layout.type == KvType::kF32 ? 1 : layout.type == KvType::kBF16 ? 2 : 4;
  for (int layer = 0; layer < layout.n_layers; ++layer) {
    for (int head = 0; head < layout.n_kv_heads; ++head) {
      std::byte* k = block + layout.k_offset(layer, head);
      std::byte* v = block + layout.v_offset(layer, head);
      for (auto slot = static_cast<size_t>(first_slot); slot < static_cast<size_t>(kKvBlockTokens); ++slot) {
        for (size_t i = 0; i < head_dim / group; ++i) {
          std::memset(k + ((slot / 16 * (head_dim / group) + i) * 16 + slot % 16) * group * elem, 0, group * elem);
        }
        for (size_t i = 0; i < head_dim; ++i) {
          std::memset(v + ((slot / group * head_dim + i) * group + slot % group) * elem, 0, elem);
        }
        if (layout.type == KvType::kInt8) {
          const size_t scales = static_cast<size_t>(kKvBlockTokens) * head_dim;
          std::memset(k + scales + slot * 4, 0, 4);
          std::memset(v + scales + slot * 4, 0, 4);
        }
      }
    }
  }
}

Status save_snapshot(const std::string& path, std::string_view model_identity, const KvLayout& layout, std::span<const TokenId> tokens,
                     std::span<std::byte* const> blocks) {
  const uint64_t n_blocks = (tokens.size() + kKvBlockTokens - 1) / kKvBlockTokens;
  CHECK(blocks.size() == n_blocks && model_identity.size() <= kIdentityBytesMax);
  const size_t block_bytes = layout.block_bytes();
  const Offsets offsets(model_identity.size(), tokens.size(), n_blocks);
  if (offsets.end > UINT32_MAX) return Error{ErrorCode::kInvalidArgument, path + ": snapshot: too many tokens"};

  // The last block goes through a copy whose unused slots are zero.
  std::vector<std::byte> last;
  const int n_last = static_cast<int>(tokens.size() % kKvBlockTokens);
  if (n_last != 0) {
    last.assign(blocks.back(), blocks.back() + block_bytes);
    clear_slots(layout, last.data(), n_last);
  }
  const auto block = [&](uint64_t i) {
    return std::span<const std::byte>(n_last != 0 && i + 1 == n_blocks ? last.data() : blocks[i], block_bytes);
  };

  std::vector<std::byte> header(offsets.end);
  const Fixed fixed{{'F', 'S', 'K', 'V', 'S', 'N', 'A', 'P'},
                    kVersion,
                    static_cast<uint32_t>(offsets.end),
                    static_cast<uint32_t>(layout.type),
                    static_cast<uint32_t>(layout.n_layers),
                    static_cast<uint32_t>(layout.n_kv_heads),
                    static_cast<uint32_t>(layout.head_dim),
                    static_cast<uint32_t>(kKvBlockTokens),
                    static_cast<uint32_t>(model_identity.size()),
                    block_bytes,
                    tokens.size(),
                    n_blocks};
  std::memcpy(header.data(), &fixed, sizeof(fixed));
  if (!model_identity.empty()) std::memcpy(header.data() + sizeof(fixed), model_identity.data(), model_identity.size());
  if (!tokens.empty()) std::memcpy(header.data() + offsets.tokens, tokens.data(), tokens.size_bytes());
  for (uint64_t i = 0; i < n_blocks; ++i) {
    const uint64_t hash = snapshot_hash(block(i));
    std::memcpy(header.data() + offsets.hashes + i * 8, &hash, 8);
  }
  const uint64_t header_hash = snapshot_hash({header.data(), offsets.header_hash});
  std::memcpy(header.data() + offsets.header_hash, &header_hash, 8);

  FS_TRY(AtomicFileWriter writer, AtomicFileWriter::create(path));
  FS_TRY_VOID(writer.write(std::span<const std::byte>(header)));
  for (uint64_t i = 0; i < n_blocks; ++i) FS_TRY_VOID(writer.write(block(i)));
  return writer.commit();
}

Result<Snapshot> Snapshot::open(const std::string& path, std::string_view model_identity, const KvLayout& layout) {
  Snapshot snapshot;
  FS_TRY(snapshot.file_, MappedFile::open(path));
  const auto bytes = snapshot.file_.bytes();
  Fixed fixed;
  if (bytes.size() < sizeof(fixed)) return corrupt(path, "shorter than its header");
  std::memcpy(&fixed, bytes.data(), sizeof(fixed));
  if (std::memcmp(fixed.magic, kMagic, sizeof(kMagic)) != 0) return corrupt(path, "not a KV snapshot");
  if (fixed.version != kVersion) {
    return mismatch(path, "version", std::to_string(kVersion), std::to_string(fixed.version));
  }
  // Sizes first: every one is checked against the file before anything is allocated or followed.
  if (fixed.identity_bytes > kIdentityBytesMax || fixed.n_tokens > kTokensMax || fixed.n_tokens == 0 ||
      fixed.block_tokens != static_cast<uint32_t>(kKvBlockTokens) ||
      fixed.n_blocks != (fixed.n_tokens + kKvBlockTokens - 1) / kKvBlockTokens) {
    return corrupt(path, "header contradicts itself");
  }
  const Offsets offsets(fixed.identity_bytes, fixed.n_tokens, fixed.n_blocks);
  if (offsets.end != fixed.header_bytes) return corrupt(path, "header contradicts itself");
  const auto all_blocks = checked_mul(fixed.n_blocks, fixed.block_bytes);
  const auto total = all_blocks ? checked_add(*all_blocks, offsets.end) : std::nullopt;
  if (!total || *total != bytes.size()) {
    return corrupt(path, "size: expected " + (total ? std::to_string(*total) : std::string("more than 2^64")) + " bytes, found " +
                             std::to_string(bytes.size()));
  }
  uint64_t header_hash = 0;
  std::memcpy(&header_hash, bytes.data() + offsets.header_hash, 8);
  if (header_hash != snapshot_hash(bytes.first(offsets.header_hash))) return corrupt(path, "header hash differs");

  const std::string_view identity(reinterpret_cast<const char*>(bytes.data()) + sizeof(fixed), fixed.identity_bytes);
  if (identity != model_identity) {
    return mismatch(path, "model", std::string(model_identity), std::string(identity));
  }
  const auto shape = [](uint64_t type, uint64_t layers, uint64_t heads, uint64_t dim) {
    return std::string(type <= 2 ? kv_type_name(static_cast<KvType>(type)) : "?") + " " + std::to_string(layers) + " layers " +
           std::to_string(heads) + " heads of " + std::to_string(dim);
  };
  const std::string expected = shape(static_cast<uint64_t>(layout.type), static_cast<uint64_t>(layout.n_layers),
                                     static_cast<uint64_t>(layout.n_kv_heads), static_cast<uint64_t>(layout.head_dim));
  const std::string found = shape(fixed.kv_type, fixed.n_layers, fixed.n_kv_heads, fixed.head_dim);
  if (expected != found || fixed.block_bytes != layout.block_bytes()) return mismatch(path, "KV layout", expected, found);

  snapshot.block_bytes_ = fixed.block_bytes;
  snapshot.blocks_offset_ = offsets.end;
  snapshot.tokens_.resize(fixed.n_tokens);
  std::memcpy(snapshot.tokens_.data(), bytes.data() + offsets.tokens, fixed.n_tokens * sizeof(TokenId));
  snapshot.hashes_.resize(fixed.n_blocks);
  std::memcpy(snapshot.hashes_.data(), bytes.data() + offsets.hashes, fixed.n_blocks * 8);
  return snapshot;
}

Status Snapshot::read_block(int64_t i, std::byte* out) const {
  CHECK(i >= 0 && i < n_blocks());
  const auto index = static_cast<size_t>(i);
  std::memcpy(out, file_.bytes().data() + blocks_offset_ + index * block_bytes_, block_bytes_);
  // The copy is hashed, not the file: nobody can change it in between.
  if (snapshot_hash({out, block_bytes_}) != hashes_[index]) {
    return corrupt(file_.path(), "hash of block " + std::to_string(i) + " differs");
  }
  return {};
}

}  // namespace firesteel
