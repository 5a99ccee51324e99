// Pictures inside sequences. A patch has a row of its own instead of a token's embedding, and an id at or above the vocabulary that names
// its content wherever sequences are compared by their ids: prefix cache, contexts, waiting for a leader.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <span>
#include <vector>

#include "base/ids.h"
#include "base/mutex.h"

namespace firesteel {

// The rows of a picture and the ids of its patches: first_id + i for row i. Immutable.
struct Picture {
  TokenId first_id = 0;
  int64_t n = 0;
  std::vector<float> rows;  // [n][dim]

  const float* row(int64_t i) const { return rows.data() + static_cast<size_t>(i) * (rows.size() / static_cast<size_t>(n)); }
};

// tokens[begin, begin + picture->n) of a sequence.
struct PlacedPicture {
  int64_t begin = 0;
  std::shared_ptr<const Picture> picture;
};

// The row of a position, or nullptr where a token stands.
inline const float* picture_row(std::span<const PlacedPicture> pictures, int64_t position) {
  for (const PlacedPicture& placed : pictures) {
    if (position >= placed.begin && position < placed.begin + placed.picture->n) return placed.picture->row(position - placed.begin);
  }
  return nullptr;
}

// Gives pictures their ids. Two ids are the same only for the same row of the same content in the same namespace: contents are compared
// byte by byte, and ids are never given out twice in one era. (Eras: after 2^31 ids the numbers begin again. What is cached is keyed by
// the era as well, so nothing old is found.) The same picture sent again keeps its ids as long as it is among the last kEntriesMax, so
// that its keys and values are found in the prefix cache. Thread-safe.
class PictureTable {
 public:
  static constexpr size_t kEntriesMax = 256;
  static constexpr size_t kBytesMax = size_t{64} << 20;

  explicit PictureTable(int64_t n_vocab, int64_t end_id = INT32_MAX) : begin_id_(n_vocab), end_id_(end_id), next_id_(n_vocab) {}

  struct Interned {
    std::vector<std::shared_ptr<const Picture>> pictures;
    uint64_t era = 0;  // of all of them
  };
  // pictures: rows [n][dim] of each, n >= 1; together fewer than there are ids.
  Interned intern(CacheNamespace cache_namespace, std::vector<std::vector<float>> pictures, int64_t dim) FS_EXCLUDES(mutex_);

 private:
  struct Entry {
    CacheNamespace cache_namespace;
    uint64_t hash = 0;
    std::shared_ptr<const Picture> picture;
  };

  const int64_t begin_id_, end_id_;
  Mutex mutex_;
  std::list<Entry> entries_ FS_GUARDED_BY(mutex_);  // last used first
  size_t n_bytes_ FS_GUARDED_BY(mutex_) = 0;
  int64_t next_id_ FS_GUARDED_BY(mutex_);
  uint64_t era_ FS_GUARDED_BY(mutex_) = 0;
};

}  // namespace firesteel
