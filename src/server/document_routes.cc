#include "server/document_routes.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "documents/document.h"
#include "documents/pdf.h"
#include "server/own_api.h"
#include "store/document_index.h"

namespace firesteel {
namespace {

constexpr uint64_t kFileBytesMax = 20u << 20;
constexpr size_t kPassageBytes = 1200;  // about 300 tokens: a few fit beside a question
constexpr int64_t kHitsMax = 20;

Json document_json(const StoredDocument& document) {
  Json out = Json::Object{{"id", document.id.str()}, {"name", document.name}, {"bytes", document.n_bytes}, {"passages", document.n_passages}, {"created_at", ms_of(document.created_us)}};
  if (!document.title.empty()) out.set("title", document.title);
  if (!document.embedded_by.empty()) out.set("embedded_by", document.embedded_by);
  return out;
}

HttpReply refuse(const Call& call, const Error& error) {
  if (error.code == ErrorCode::kResourceExhausted) return own_error(call, {.kind = ApiErrorKind::kConflict, .message = error.message, .code = "limit_reached"});
  if (error.code == ErrorCode::kDataLoss || error.code == ErrorCode::kUnsupported || error.code == ErrorCode::kDeadlineExceeded) {
    return own_error(call, {.kind = ApiErrorKind::kInvalidRequest, .message = error.message, .code = "document_not_read"});
  }
  return own_error(call, own_api_error(error));
}

// A file that is gone with this object; readers of PDF files take a path.
class TemporaryFile {
 public:
  static Result<TemporaryFile> write(const std::string& bytes) {
    std::error_code problem;
    std::string path = std::filesystem::temp_directory_path(problem).string() + "/firesteel-XXXXXX";
    const int fd = problem ? -1 : mkstemp(path.data());
    if (fd < 0) return Error{ErrorCode::kUnavailable, "no temporary file can be made"};
    TemporaryFile file(path);
    size_t n = 0;
    while (n < bytes.size()) {
      const ssize_t wrote = ::write(fd, bytes.data() + n, bytes.size() - n);
      if (wrote <= 0) break;
      n += static_cast<size_t>(wrote);
    }
    ::close(fd);
    if (n < bytes.size()) return Error{ErrorCode::kUnavailable, "a temporary file could not be written"};
    return file;
  }
  TemporaryFile(TemporaryFile&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  TemporaryFile& operator=(TemporaryFile&&) = delete;
  ~TemporaryFile() {
    if (!path_.empty()) unlink(path_.c_str());
  }
  const std::string& path() const { return path_; }

 private:
  explicit TemporaryFile(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

Result<Document> read_uploaded(DocumentFormat format, const std::string& bytes) {
  const DocumentLimits limits{.file_bytes_max = kFileBytesMax, .text_bytes_max = kFileBytesMax};
  if (format != DocumentFormat::kPdf) return read_document(format, bytes, limits);
  if (const std::string missing = pdf_missing(); !missing.empty()) return Error{ErrorCode::kUnsupported, missing};
  FS_TRY(const TemporaryFile file, TemporaryFile::write(bytes));
  Result<Document> read = read_pdf_file(file.path(), limits);
  if (read.ok()) return read;
  Error error = std::move(read).error();  // without the name of a file that the client does not know
  for (size_t at = error.message.find(file.path()); at != std::string::npos; at = error.message.find(file.path())) error.message.replace(at, file.path().size(), "the document");
  return error;
}

HttpReply upload(ServerContext* context, Call& call) {
  const std::string name = text_query(call.request, "name");
  const std::optional<DocumentFormat> format = document_format_of(name);
  if (name.empty() || name.find('/') != std::string::npos) return own_error(call, bad_field("name", "expected the file's name, without folders"));
  if (!format) return own_error(call, bad_field("name", "expected a name that ends in .txt, .md, .html or .pdf"));
  const auto n_bytes = static_cast<int64_t>(call.request.body.size());
  const Result<Document> document = read_uploaded(*format, call.request.body);
  std::string().swap(call.request.body);
  if (!document.ok()) return refuse(call, document.error());
  std::vector<StoredPassage> passages;
  for (Passage& passage : passages_of(*document, kPassageBytes)) passages.push_back({std::move(passage.heading), std::move(passage.text)});
  const Result<StoredDocument> stored = DocumentIndex(context->store).add(call.principal->tenant, name, document->title, n_bytes, passages, wall_clock().now_us());
  if (!stored.ok()) return refuse(call, stored.error());
  return json_response(201, document_json(*stored).dump());
}

HttpReply list(ServerContext* context, Call& call) {
  const Result<std::vector<StoredDocument>> documents = DocumentIndex(context->store).list(call.principal->tenant);
  if (!documents.ok()) return refuse(call, documents.error());
  Json::Array data;
  for (const StoredDocument& one : *documents) data.push_back(document_json(one));
  return json_response(200, Json(Json::Object{{"data", std::move(data)}}).dump());
}

HttpReply search(ServerContext* context, Call& call) {
  const std::string query = text_query(call.request, "q");
  if (query.size() > 1000) return own_error(call, bad_field("q", "longer than 1,000 bytes"));
  const Result<int64_t> limit = int_query(call.request, "limit", 1, kHitsMax, 5);
  if (!limit.ok()) return own_error(call, own_api_error(limit.error()));
  const std::optional<QueryMeaning> meaning = context->meaning && !query.empty() ? context->meaning(query) : std::nullopt;
  const Result<std::vector<PassageHit>> hits =
      DocumentIndex(context->store).search(call.principal->tenant, query, static_cast<size_t>(*limit), meaning ? &*meaning : nullptr);
  if (!hits.ok()) return refuse(call, hits.error());
  Json::Array data;
  for (const PassageHit& hit : *hits) {
    data.push_back(Json::Object{{"document", hit.document.str()}, {"name", hit.name}, {"passage", hit.number}, {"heading", hit.heading}, {"text", hit.text}, {"score", hit.score}});
  }
  return json_response(200, Json(Json::Object{{"data", std::move(data)}}).dump());
}

HttpReply erase(ServerContext* context, Call& call) {
  const std::optional<DocumentId> id = DocumentId::parse(call.request.path_parameters.at(0));
  if (!id) return not_found(call);
  const Status erased = DocumentIndex(context->store).erase(call.principal->tenant, *id);
  if (!erased.ok()) return erased.error().code == ErrorCode::kNotFound ? HttpReply(not_found(call)) : refuse(call, erased.error());
  return HttpResponse{204, {}, {}};
}

}  // namespace

void add_document_routes(ServerContext* context, Router* router) {
  const auto add = [&](HttpMethod method, const char* path, const char* name, uint64_t body_bytes, HttpReply (*handler)(ServerContext*, Call&)) {
    router->add(Route(method, path, name, RouteAccess::needs(Scope::kFiles), RouteLimits(body_bytes), Dialect::kFiresteel, [context, handler](Call& call) { return handler(context, call); }));
  };
  add(HttpMethod::kPost, "/firesteel/v1/documents", "documents.add", kFileBytesMax, upload);
  add(HttpMethod::kGet, "/firesteel/v1/documents", "documents.list", 0, list);
  add(HttpMethod::kGet, "/firesteel/v1/documents/search", "documents.search", 0, search);
  add(HttpMethod::kDelete, "/firesteel/v1/documents/{}", "documents.erase", 0, erase);
}

}  // namespace firesteel
