// /v1/files: what clients upload for batches and training, and the results of batches. Per tenant; acknowledged means stored.
#include <charconv>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/utf8.h"
#include "server/app.h"
#include "server/multipart.h"
#include "server/openai_records.h"
#include "store/stored_files.h"

namespace firesteel {
namespace {

constexpr uint64_t kUploadBytesMax = (64u << 20) + (64u << 10);
constexpr int64_t kPageMax = 10'000;
constexpr std::string_view kPurposes[] = {"batch", "fine-tune", "user_data", "evals", "assistants", "vision"};

int64_t now_us() { return wall_clock().now_us(); }

Json file_json(const StoredFile& file) {
  Json::Object out{{"id", file.id.str()},      {"object", "file"},         {"bytes", file.n_bytes}, {"created_at", file.created_us / 1'000'000},
                   {"filename", file.filename}, {"purpose", file.purpose}};
  if (file.expires_us != 0) out.emplace_back("expires_at", file.expires_us / 1'000'000);
  out.emplace_back("status", "processed");
  return out;
}

struct Upload {
  const FormPart* file = nullptr;
  std::string purpose;
  std::optional<int64_t> expires_s;
};

// nullopt: `*refused` says why.
std::optional<Upload> read_upload(const Call& call, const std::vector<FormPart>& parts, std::optional<HttpResponse>* refused) {
  const auto fail = [&](const std::string& param, const std::string& message) {
    *refused = bad_request(call, param, message);
    return std::nullopt;
  };
  Upload upload;
  bool has_anchor = false;
  for (const FormPart& part : parts) {
    const bool again = (part.name == "file" && upload.file != nullptr) || (part.name == "purpose" && !upload.purpose.empty());
    if (again) return fail(part.name, "is there twice");
    if (part.name == "file") {
      if (!part.filename) return fail("file", "expected a file with its name");
      upload.file = &part;
    } else if (part.name == "purpose") {
      for (const std::string_view known : kPurposes) {
        if (part.content == known) upload.purpose = known;
      }
      if (upload.purpose.empty()) return fail("purpose", "expected batch, fine-tune, user_data, evals, assistants or vision");
    } else if (part.name == "expires_after[anchor]") {
      if (part.content != "created_at") return fail(part.name, "expected created_at");
      has_anchor = true;
    } else if (part.name == "expires_after[seconds]") {
      int64_t seconds = 0;
      const auto [end, error] = std::from_chars(part.content.data(), part.content.data() + part.content.size(), seconds);
      if (error != std::errc() || end != part.content.data() + part.content.size() || seconds < kExpiryMinS || seconds > kExpiryMaxS) {
        return fail(part.name, fmt::format("expected an integer from {} to {}", kExpiryMinS, kExpiryMaxS));
      }
      upload.expires_s = seconds;
    } else {
      return fail(is_valid_utf8(part.name) ? part.name : "form", "is not known; expected file, purpose, expires_after[anchor], expires_after[seconds]");
    }
  }
  if (upload.file == nullptr) return fail("file", "missing");
  if (upload.purpose.empty()) return fail("purpose", "missing");
  if (has_anchor != upload.expires_s.has_value()) return fail("expires_after", "expected anchor and seconds together");
  return upload;
}

HttpReply upload(ServerContext* context, Call& call) {
  const std::string* const type = call.request.header("content-type");
  const Result<std::vector<FormPart>> parts = parse_form(type == nullptr ? std::string_view() : *type, call.request.body);
  if (!parts.ok()) return bad_request(call, "", parts.error().message);
  std::optional<HttpResponse> refused;
  const std::optional<Upload> given = read_upload(call, *parts, &refused);
  if (!given) return std::move(*refused);
  const int64_t now = now_us();
  const Result<StoredFile> stored = StoredFiles(context->store).put(call.principal->tenant, given->purpose, *given->file->filename, given->file->content,
                                                                    given->expires_s ? now + *given->expires_s * 1'000'000 : 0, now);
  if (!stored.ok()) return records_error(call, stored.error());
  return json_response(200, file_json(*stored).dump());
}

HttpReply list(ServerContext* context, Call& call) {
  const Result<int64_t> limit = int_query(call.request, "limit", 1, kPageMax, kPageMax);
  if (!limit.ok()) return records_error(call, limit.error());
  StoredFiles::Page page;
  page.purpose = text_query(call.request, "purpose");
  if (page.purpose.size() > 64 || !is_valid_utf8(page.purpose) || page.purpose.find('\0') != std::string::npos) return bad_request(call, "purpose", "expected the word of a purpose");
  const std::string order = text_query(call.request, "order");
  if (!order.empty() && order != "asc" && order != "desc") return bad_request(call, "order", "expected asc or desc");
  page.newest_first = order != "asc";
  if (const std::string after = text_query(call.request, "after"); !after.empty()) {
    page.after = FileId::parse(after);
    if (!page.after) return no_such(call, "file");
  }
  page.limit = *limit + (*limit < kPageMax ? 1 : 0);
  Result<std::vector<StoredFile>> files = StoredFiles(context->store).list(call.principal->tenant, page, now_us());
  if (!files.ok()) return files.error().code == ErrorCode::kNotFound ? no_such(call, "file") : records_error(call, files.error());
  const bool has_more = static_cast<int64_t>(files->size()) > *limit;
  if (has_more) files->resize(static_cast<size_t>(*limit));
  Json::Array data;
  for (const StoredFile& file : *files) data.push_back(file_json(file));
  return list_of(std::move(data), has_more);
}

// The file that the address names, or an answer.
std::optional<StoredFile> find(ServerContext* context, const Call& call, std::optional<HttpResponse>* refused) {
  const std::optional<FileId> id = FileId::parse(call.request.path_parameters.at(0));
  if (!id) {
    *refused = no_such(call, "file");
    return std::nullopt;
  }
  Result<StoredFile> file = StoredFiles(context->store).get(call.principal->tenant, *id, now_us());
  if (file.ok()) return std::move(*file);
  *refused = file.error().code == ErrorCode::kNotFound ? no_such(call, "file") : records_error(call, file.error());
  return std::nullopt;
}

// A large file, piece by piece: a worker fetches the next one while the client takes this one.
class FileReply final : public PendingReply {
 public:
  FileReply(ServerContext* context, TenantId tenant, const StoredFile& file, HttpResponse head, std::string first)
      : context_(context), head_(std::move(head)), n_pieces_((file.n_bytes + static_cast<int64_t>(StoredFiles::kPieceBytes) - 1) / static_cast<int64_t>(StoredFiles::kPieceBytes)),
        shared_(std::make_shared<Shared>()) {
    shared_->tenant = std::move(tenant);
    shared_->id = file.id;
    MutexLock lock(shared_->mutex);
    shared_->piece = std::move(first);
  }
  void start(std::function<void()> waker) override {
    {
      MutexLock lock(shared_->mutex);
      shared_->waker = waker;
    }
    waker();
  }
  State poll(HttpResponse* head, std::string* bytes) override {
    *head = head_;
    {
      MutexLock lock(shared_->mutex);
      if (shared_->failed) return State::kBroken;
      if (!shared_->piece) return State::kOpen;
      *bytes = std::move(*shared_->piece);
      shared_->piece.reset();
    }
    if (++n_told_ == n_pieces_) return State::kDone;
    const bool asked = context_->run_on_worker([shared = shared_, store = &context_->store, seq = n_told_] {
      Result<std::string> piece = StoredFiles(*store).piece(shared->tenant, shared->id, seq);
      std::function<void()> waker;
      {
        MutexLock lock(shared->mutex);
        shared->failed = !piece.ok() || piece->empty();  // empty: somebody deleted it meanwhile
        if (piece.ok()) shared->piece = std::move(*piece);
        waker = shared->waker;
      }
      waker();
    });
    return asked ? State::kOpen : State::kBroken;
  }

 private:
  struct Shared {
    TenantId tenant;
    FileId id;
    Mutex mutex;
    std::optional<std::string> piece FS_GUARDED_BY(mutex);
    bool failed FS_GUARDED_BY(mutex) = false;
    std::function<void()> waker FS_GUARDED_BY(mutex);
  };
  ServerContext* const context_;
  const HttpResponse head_;
  const int64_t n_pieces_;
  const std::shared_ptr<Shared> shared_;
  int64_t n_told_ = 0;
};

HttpReply content(ServerContext* context, Call& call) {
  std::optional<HttpResponse> refused;
  const std::optional<StoredFile> file = find(context, call, &refused);
  if (!file) return std::move(*refused);
  HttpResponse head{200, {{"content-type", "application/octet-stream"}, {"content-disposition", "attachment"}}, {}};
  if (call.request.method == HttpMethod::kHead || file->n_bytes == 0) return head;
  Result<std::string> first = StoredFiles(context->store).piece(call.principal->tenant, file->id, 0);
  if (!first.ok()) return records_error(call, first.error());
  if (static_cast<int64_t>(first->size()) == file->n_bytes) {
    head.body = std::move(*first);
    return head;
  }
  head.headers.emplace_back("x-request-id", call.request.request_id);
  head.headers.emplace_back("x-content-type-options", "nosniff");
  head.headers.emplace_back("cache-control", "no-store");
  head.headers.insert(head.headers.end(), call.cors.begin(), call.cors.end());
  return std::make_unique<FileReply>(context, call.principal->tenant, *file, std::move(head), std::move(*first));
}

HttpReply remove(ServerContext* context, Call& call) {
  std::optional<HttpResponse> refused;
  const std::optional<StoredFile> file = find(context, call, &refused);
  if (!file) return std::move(*refused);
  const Status removed = StoredFiles(context->store).remove(call.principal->tenant, file->id);
  if (!removed.ok()) return removed.error().code == ErrorCode::kNotFound ? no_such(call, "file") : records_error(call, removed.error());
  return json_response(200, Json(Json::Object{{"id", file->id.str()}, {"object", "file"}, {"deleted", true}}).dump());
}

}  // namespace

void add_file_routes(ServerContext* context, Router* router) {
  const auto add = [&](HttpMethod method, const char* pattern, const char* name, uint64_t bytes_max, HttpReply (*handle)(ServerContext*, Call&)) {
    router->add(Route(method, pattern, name, RouteAccess::needs(Scope::kFiles), RouteLimits(bytes_max), Dialect::kOpenAi,
                      [context, handle](Call& call) { return handle(context, call); }));
  };
  add(HttpMethod::kPost, "/v1/files", "files.upload", kUploadBytesMax, upload);
  add(HttpMethod::kGet, "/v1/files", "files.list", 0, list);
  add(HttpMethod::kGet, "/v1/files/{}", "files.get", 0, [](ServerContext* c, Call& call) -> HttpReply {
    std::optional<HttpResponse> refused;
    const std::optional<StoredFile> file = find(c, call, &refused);
    return file ? json_response(200, file_json(*file).dump()) : std::move(*refused);
  });
  add(HttpMethod::kGet, "/v1/files/{}/content", "files.content", 0, content);
  add(HttpMethod::kDelete, "/v1/files/{}", "files.delete", 0, remove);
}

}  // namespace firesteel
