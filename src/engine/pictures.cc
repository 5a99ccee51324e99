#include "engine/pictures.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "kvcache/snapshot.h"

namespace firesteel {
namespace {

bool same_rows(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

}  // namespace

PictureTable::Interned PictureTable::intern(CacheNamespace cache_namespace, std::vector<std::vector<float>> pictures, int64_t dim) {
  int64_t n_rows = 0;
  std::vector<uint64_t> hashes;  // find candidates only
  for (const std::vector<float>& rows : pictures) {
    CHECK(!rows.empty() && rows.size() % static_cast<size_t>(dim) == 0);
    n_rows += static_cast<int64_t>(rows.size()) / dim;
    hashes.push_back(snapshot_hash(std::as_bytes(std::span(rows))));
  }
  CHECK(n_rows <= end_id_ - begin_id_);

  MutexLock lock(mutex_);
  if (n_rows > end_id_ - next_id_) {  // one era for all pictures of a request
    next_id_ = begin_id_;
    entries_.clear();
    n_bytes_ = 0;
    ++era_;
  }
  Interned interned{{}, era_};
  for (size_t i = 0; i < pictures.size(); ++i) {
    std::vector<float>& rows = pictures[i];
    const auto found = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) {
      return entry.hash == hashes[i] && entry.cache_namespace == cache_namespace && same_rows(entry.picture->rows, rows);
    });
    if (found != entries_.end()) {
      entries_.splice(entries_.begin(), entries_, found);
    } else {
      const int64_t n = static_cast<int64_t>(rows.size()) / dim;
      n_bytes_ += rows.size() * sizeof(float);
      entries_.push_front({cache_namespace, hashes[i],
                           std::make_shared<const Picture>(Picture{static_cast<TokenId>(next_id_), n, std::move(rows)})});
      next_id_ += n;
    }
    interned.pictures.push_back(entries_.front().picture);
  }
  while (entries_.size() > 1 && (entries_.size() > kEntriesMax || n_bytes_ > kBytesMax)) {
    n_bytes_ -= entries_.back().picture->rows.size() * sizeof(float);
    entries_.pop_back();
  }
  return interned;
}

}  // namespace firesteel
