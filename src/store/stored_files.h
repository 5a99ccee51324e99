// Files that clients keep on the server (requests of a batch and its results, training data), in pieces inside the database: so they
// survive what it survives, are in its backups, and are seen by every replica. Every operation takes the tenant: a foreign id is not
// found, exactly as an unknown one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "schema/ids.h"
#include "store/store.h"

namespace firesteel {

struct StoredFile {
  FileId id = {};
  std::string purpose = {};   // the client's word: "batch" ...
  std::string filename = {};  // as the client said it, for people; never a path of ours
  int64_t n_bytes = 0;
  int64_t created_us = 0;
  int64_t expires_us = 0;     // 0: never; not found afterwards
};

// Limits: 10,000 files and 8 GiB a tenant, 1 GiB a file, names 512 bytes, purposes 64: kInvalidArgument, kResourceExhausted.
// Stateless beyond the store, thread-safe. `now_us`: Unix microseconds.
class StoredFiles {
 public:
  static constexpr size_t kPieceBytes = 1u << 20;

  explicit StoredFiles(Store& store) : store_(store) {}

  // Durable when it returns; until then nobody sees it.
  Result<StoredFile> put(const TenantId& tenant, const std::string& purpose, const std::string& filename, std::string_view content,
                         int64_t expires_us, int64_t now_us);
  Result<StoredFile> get(const TenantId& tenant, const FileId& id, int64_t now_us);
  // Newest or oldest first, beginning behind `after` (kNotFound when that is not one of the tenant's); an empty purpose means all.
  struct Page {
    std::string purpose = {};
    std::optional<FileId> after = {};
    bool newest_first = true;
    int64_t limit = 100;
  };
  Result<std::vector<StoredFile>> list(const TenantId& tenant, const Page& page, int64_t now_us);
  // Piece `seq` (0, 1 ...) of the content: kPieceBytes, the last one shorter, behind the last one empty. The caller got the file before.
  Result<std::string> piece(const TenantId& tenant, const FileId& id, int64_t seq);
  Status remove(const TenantId& tenant, const FileId& id);

  // A file that is written piece by piece: appended bytes are stored at once, and seen by nobody before commit().
  class Writer {
   public:
    Status append(std::string_view bytes);
    // The file is there from now on.
    Result<StoredFile> commit();
    // The same in two steps: what was appended is stored, then the file appears as part of a transaction of the caller's.
    Status flush();
    Status publish(Transaction& transaction) const;
    const FileId& id() const { return file_.id; }
    int64_t n_bytes() const { return file_.n_bytes; }

   private:
    friend class StoredFiles;
    Writer(Store& store, TenantId tenant, StoredFile file) : store_(&store), tenant_(std::move(tenant)), file_(std::move(file)) {}
    Status store_piece(std::string piece);
    Store* store_;
    TenantId tenant_;
    StoredFile file_;
    std::string held_;
    int64_t n_pieces_ = 0;
  };
  Result<Writer> begin(const TenantId& tenant, const std::string& purpose, const std::string& filename, int64_t expires_us, int64_t now_us);

  // Removes, a few at a time, files that expired and those whose writer went away more than a day ago. True: there may be more.
  Result<bool> purge(int64_t now_us);

 private:
  Store& store_;
};

}  // namespace firesteel
