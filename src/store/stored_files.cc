#include "store/stored_files.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/utf8.h"

namespace firesteel {
namespace {

constexpr int64_t kFilesMax = 10'000;
constexpr int64_t kTenantBytesMax = int64_t{8} << 30;
constexpr int64_t kFileBytesMax = int64_t{1} << 30;
constexpr size_t kNameBytes = 512, kPurposeBytes = 64;
constexpr int64_t kListMax = 10'000;
constexpr int64_t kPurgeMax = 16;
constexpr int64_t kAbandonedUs = int64_t{24} * 3600 * 1'000'000;

Error not_found() { return {ErrorCode::kNotFound, "no such file"}; }

Status check_text(const char* what, const std::string& text, size_t bytes_max) {
  if (text.size() > bytes_max) return Error{ErrorCode::kInvalidArgument, fmt::format("{} has {} bytes, at most {} are allowed", what, text.size(), bytes_max)};
  if (!is_valid_utf8(text) || text.find('\0') != std::string::npos) {
    return Error{ErrorCode::kInvalidArgument, fmt::format("{} is not UTF-8 text without null characters", what)};
  }
  return {};
}

StoredFile file_of(const Row& row) {
  return {.id = FileId::parse(row.text(0)).value_or(FileId()), .purpose = row.text(1), .filename = row.text(2), .n_bytes = row.integer(3),
          .created_us = row.integer(4), .expires_us = row.integer(5)};
}

Status check_room(Reader& reader, const TenantId& tenant, int64_t n_bytes_more) {
  FS_TRY(const std::optional<Row> row, reader.first("SELECT count(*), CAST(coalesce(sum(n_bytes), 0) AS BIGINT) FROM files WHERE tenant = $1 AND ready = 1",
                                                    {tenant.str()}));
  if (row->integer(0) >= kFilesMax) return Error{ErrorCode::kResourceExhausted, fmt::format("the tenant has {} files, the most that are allowed", kFilesMax)};
  if (row->integer(1) + n_bytes_more > kTenantBytesMax) {
    return Error{ErrorCode::kResourceExhausted, fmt::format("the tenant's files have {} bytes; with {} more they would be above {}", row->integer(1), n_bytes_more, kTenantBytesMax)};
  }
  return {};
}

Result<StoredFile> find(Reader& reader, const TenantId& tenant, const FileId& id, int64_t now_us) {
  FS_TRY(const std::optional<Row> row, reader.first("SELECT id, purpose, filename, n_bytes, created_us, expires_us FROM files "
                                                    "WHERE id = $1 AND tenant = $2 AND ready = 1 AND (expires_us = 0 OR expires_us > $3)",
                                                    {id.str(), tenant.str(), now_us}));
  if (!row) return not_found();
  return file_of(*row);
}

}  // namespace

Result<StoredFiles::Writer> StoredFiles::begin(const TenantId& tenant, const std::string& purpose, const std::string& filename, int64_t expires_us,
                                               int64_t now_us) {
  FS_TRY_VOID(check_text("filename", filename, kNameBytes));
  FS_TRY_VOID(check_text("purpose", purpose, kPurposeBytes));
  const StoredFile file{.id = FileId::fresh(), .purpose = purpose, .filename = filename, .n_bytes = 0, .created_us = now_us, .expires_us = expires_us};
  const Status written = store_.write([&](Transaction& transaction) -> Status {
    FS_TRY_VOID(check_room(transaction, tenant, 0));
    FS_TRY_VOID(transaction.execute("INSERT INTO files(id, tenant, purpose, filename, n_bytes, ready, created_us, expires_us) VALUES($1, $2, $3, $4, 0, 0, $5, $6)",
                                    {file.id.str(), tenant.str(), purpose, filename, now_us, expires_us}));
    return {};
  });
  FS_TRY_VOID(written);
  return Writer(store_, tenant, file);
}

Status StoredFiles::Writer::store_piece(std::string piece) {
  const Status written = store_->write([&](Transaction& transaction) -> Status {
    FS_TRY_VOID(transaction.execute("INSERT INTO file_pieces(file, seq, piece) VALUES($1, $2, $3) ON CONFLICT(file, seq) DO NOTHING",
                                    {file_.id.str(), n_pieces_, Blob{piece}}));
    return {};
  });
  FS_TRY_VOID(written);
  ++n_pieces_;
  return {};
}

Status StoredFiles::Writer::append(std::string_view bytes) {
  if (file_.n_bytes + static_cast<int64_t>(bytes.size()) > kFileBytesMax) {
    return Error{ErrorCode::kResourceExhausted, fmt::format("a file may have at most {} bytes", kFileBytesMax)};
  }
  file_.n_bytes += static_cast<int64_t>(bytes.size());
  while (!bytes.empty()) {
    const size_t n = std::min(bytes.size(), kPieceBytes - held_.size());
    held_ += bytes.substr(0, n);
    bytes.remove_prefix(n);
    if (held_.size() < kPieceBytes) continue;
    FS_TRY_VOID(store_piece(std::exchange(held_, {})));
  }
  return {};
}

Status StoredFiles::Writer::flush() { return held_.empty() ? Status() : store_piece(std::exchange(held_, {})); }

Status StoredFiles::Writer::publish(Transaction& transaction) const {
  FS_TRY_VOID(check_room(transaction, tenant_, file_.n_bytes));
  FS_TRY_VOID(transaction.execute("UPDATE files SET ready = 1, n_bytes = $1 WHERE id = $2 AND tenant = $3", {file_.n_bytes, file_.id.str(), tenant_.str()}));
  return {};
}

Result<StoredFile> StoredFiles::Writer::commit() {
  FS_TRY_VOID(flush());
  FS_TRY_VOID(store_->write([&](Transaction& transaction) { return publish(transaction); }));
  return file_;
}

Result<StoredFile> StoredFiles::put(const TenantId& tenant, const std::string& purpose, const std::string& filename, std::string_view content,
                                    int64_t expires_us, int64_t now_us) {
  FS_TRY(Writer writer, begin(tenant, purpose, filename, expires_us, now_us));
  FS_TRY_VOID(writer.append(content));
  return writer.commit();
}

Result<StoredFile> StoredFiles::get(const TenantId& tenant, const FileId& id, int64_t now_us) {
  StoredFile file;
  FS_TRY_VOID(store_.read([&](Reader& reader) -> Status {
    FS_TRY(file, find(reader, tenant, id, now_us));
    return {};
  }));
  return file;
}

Result<std::vector<StoredFile>> StoredFiles::list(const TenantId& tenant, const Page& page, int64_t now_us) {
  std::vector<StoredFile> files;
  FS_TRY_VOID(store_.read([&](Reader& reader) -> Status {
    files.clear();
    int64_t from_us = page.newest_first ? INT64_MAX : INT64_MIN;
    std::string from_id;
    if (page.after) {
      FS_TRY(const StoredFile after, find(reader, tenant, *page.after, now_us));
      from_us = after.created_us;
      from_id = after.id.str();
    }
    const Params params{tenant.str(), page.purpose, now_us, from_us, from_id, std::clamp<int64_t>(page.limit, 1, kListMax)};
    const auto take = [&](const Row& row) {
      files.push_back(file_of(row));
      return true;
    };
    if (page.newest_first) {
      return reader.each("SELECT id, purpose, filename, n_bytes, created_us, expires_us FROM files WHERE tenant = $1 AND ready = 1 AND "
                         "($2 = '' OR purpose = $2) AND (expires_us = 0 OR expires_us > $3) AND (created_us < $4 OR (created_us = $4 AND id < $5)) "
                         "ORDER BY created_us DESC, id DESC LIMIT $6", params, take);
    }
    return reader.each("SELECT id, purpose, filename, n_bytes, created_us, expires_us FROM files WHERE tenant = $1 AND ready = 1 AND "
                       "($2 = '' OR purpose = $2) AND (expires_us = 0 OR expires_us > $3) AND (created_us > $4 OR (created_us = $4 AND id > $5)) "
                       "ORDER BY created_us, id LIMIT $6", params, take);
  }));
  return files;
}

Result<std::string> StoredFiles::piece(const TenantId& tenant, const FileId& id, int64_t seq) {
  std::string piece;
  FS_TRY_VOID(store_.read([&](Reader& reader) -> Status {
    FS_TRY(const std::optional<Row> row, reader.first("SELECT p.piece FROM file_pieces p JOIN files f ON f.id = p.file "
                                                      "WHERE p.file = $1 AND f.tenant = $2 AND p.seq = $3 AND f.ready = 1",
                                                      {id.str(), tenant.str(), seq}));
    piece = row ? row->blob(0) : std::string();
    return {};
  }));
  return piece;
}

Status StoredFiles::remove(const TenantId& tenant, const FileId& id) {
  return store_.write([&](Transaction& transaction) -> Status {
    FS_TRY(const int64_t n, transaction.execute("DELETE FROM files WHERE id = $1 AND tenant = $2 AND ready = 1", {id.str(), tenant.str()}));
    if (n == 0) return not_found();
    FS_TRY_VOID(transaction.execute("DELETE FROM file_pieces WHERE file = $1", {id.str()}));
    return {};
  });
}

Result<bool> StoredFiles::purge(int64_t now_us) {
  std::vector<std::string> ids;
  FS_TRY_VOID(store_.read([&](Reader& reader) -> Status {
    ids.clear();
    return reader.each("SELECT id FROM files WHERE (expires_us != 0 AND expires_us <= $1) OR (ready = 0 AND created_us < $2) LIMIT $3",
                       {now_us, now_us - kAbandonedUs, kPurgeMax}, [&](const Row& row) {
                         ids.push_back(row.text(0));
                         return true;
                       });
  }));
  for (const std::string& id : ids) {
    const Status written = store_.write([&](Transaction& transaction) -> Status {
      FS_TRY_VOID(transaction.execute("DELETE FROM files WHERE id = $1", {id}));
      FS_TRY_VOID(transaction.execute("DELETE FROM file_pieces WHERE file = $1", {id}));
      return {};
    });
    FS_TRY_VOID(written);
  }
  return static_cast<int64_t>(ids.size()) == kPurgeMax;
}

}  // namespace firesteel
