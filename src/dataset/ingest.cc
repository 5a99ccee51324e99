#include "dataset/ingest.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/mapped_file.h"
#include "base/utf8.h"
#include "dataset/csv.h"
#include "digest/digest.h"
#include "dataset/part_file.h"
#include "documents/document.h"

namespace firesteel {
namespace {

constexpr Json::Limits kRowLimits{.depth = 16, .values = 100'000};

Error io(const std::string& path) { return Error{ErrorCode::kIo, path + ": " + std::strerror(errno)}; }

std::string base_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

struct Source {
  std::string path, format;
  uint64_t n_bytes = 0;
};

Result<std::string> format_for(const std::string& path, const std::string& given) {
  if (given != "auto") return given;
  std::string lower;
  for (const char c : path) lower += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  if (lower.ends_with(".jsonl") || lower.ends_with(".ndjson") || lower.ends_with(".json")) return std::string("jsonl");
  if (lower.ends_with(".csv") || lower.ends_with(".tsv")) return std::string("csv");
  const auto document = document_format_of(path);
  if (!document) return Error{ErrorCode::kInvalidArgument, path + ": its ending tells no format (.jsonl .csv .tsv .txt .md .html .pdf); name it with --format"};
  switch (*document) {
    case DocumentFormat::kPlain: return std::string("text");
    case DocumentFormat::kMarkdown: return std::string("markdown");
    case DocumentFormat::kHtml: return std::string("html");
    case DocumentFormat::kPdf: break;
  }
  return std::string("pdf");
}

std::string encoding_hint(std::string_view line) {
  for (size_t i = 0; i < line.size();) {
    const Utf8Char character = decode_utf8(line, i);
    if (!character.valid) return fmt::format("byte {} (0x{:02x}) is not UTF-8; if the file is in an older encoding, name it (--encoding windows-1252)", i, static_cast<unsigned char>(line[i]));
    i += character.n_bytes;
  }
  return {};
}

class Ingest {
 public:
  Ingest(const DatasetStore& store, const IngestOptions& options, int64_t now_us, const std::function<bool(uint64_t, uint64_t)>& progress)
      : store_(store), options_(options), now_us_(now_us), progress_(progress) {}

  Result<IngestReport> run() {
    FS_TRY_VOID(check_dataset_name(options_.name));
    FS_TRY_VOID(prepare());
    for (; file_idx_ < sources_.size(); ++file_idx_) {
      FS_TRY_VOID(one_file(sources_[file_idx_]));
      done_before_ += sources_[file_idx_].n_bytes;
      offset_ = 0;
      line_ = 0;
      const size_t next = file_idx_ + 1;
      FS_TRY_VOID(checkpoint(next));
    }
    return publish();
  }

 private:
  Status prepare() {
    if (options_.files.empty()) return Error{ErrorCode::kInvalidArgument, "no file to ingest"};
    std::string key = fmt::format("ingest 1\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n", options_.format, static_cast<int>(options_.encoding), lineage_json(options_.origin).dump(),
                                  options_.require_consent, options_.row_bytes_max, options_.passage_bytes_max, options_.name);
    for (const std::string& path : options_.files) {
      Source source;
      source.path = path;
      struct stat info {};
      if (::stat(path.c_str(), &info) != 0) return Error{errno == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo, path + ": " + std::strerror(errno)};
      if (!S_ISREG(info.st_mode)) return Error{ErrorCode::kInvalidArgument, path + ": not a regular file"};
      source.n_bytes = static_cast<uint64_t>(info.st_size);
      FS_TRY(source.format, format_for(path, options_.format));
      total_ += source.n_bytes;
      key += fmt::format("{} {} {}.{:09}\n", path, source.n_bytes, info.st_mtim.tv_sec, info.st_mtim.tv_nsec);
      sources_.push_back(std::move(source));
    }
    FS_TRY_VOID(make_folders(store_.folder() + "/" + options_.name));
    work_ = fmt::format("{}/{}/.ingest-{}", store_.folder(), options_.name, sha256_hex(key).substr(0, 16));
    if (::mkdir(work_.c_str(), 0700) != 0 && errno != EEXIST) return io(work_);
    uint64_t rows = 0, lineage = 0, rejects = 0;
    if (const auto text = read_file(work_ + "/progress.json", 1u << 20); text.ok()) {
      if (const auto json = Json::parse(*text); json.ok()) {
        const auto number = [&](const char* name) {
          const Json* const value = json->find(name);
          return value != nullptr && value->is_int() && value->as_int() >= 0 ? static_cast<uint64_t>(value->as_int()) : 0;
        };
        file_idx_ = std::min<size_t>(number("file"), sources_.size());
        offset_ = number("offset");
        line_ = static_cast<int64_t>(number("line"));
        rows = number("rows_bytes");
        lineage = number("lineage_bytes");
        rejects = number("rejects_bytes");
        n_rows_ = number("rows");
        n_rejected_ = number("rejected");
        for (size_t i = 0; i < file_idx_; ++i) done_before_ += sources_[i].n_bytes;
      }
    }
    FS_TRY_VOID(rows_.open(work_ + "/rows.jsonl", rows));
    FS_TRY_VOID(lineage_.open(work_ + "/lineage.jsonl", lineage));
    return rejects_.open(work_ + "/rejects.jsonl", rejects);
  }

  // What is on disk up to here stays; a run that goes on starts at (file, offset).
  Status checkpoint(size_t file) {
    FS_TRY_VOID(rows_.sync());
    FS_TRY_VOID(lineage_.sync());
    FS_TRY_VOID(rejects_.sync());
    const auto integer = [](uint64_t value) { return Json(static_cast<int64_t>(value)); };
    const Json json = Json::Object{{"file", integer(file)}, {"offset", integer(offset_)}, {"line", line_}, {"rows_bytes", integer(rows_.n_bytes())}, {"lineage_bytes", integer(lineage_.n_bytes())},
                                   {"rejects_bytes", integer(rejects_.n_bytes())}, {"rows", integer(n_rows_)}, {"rejected", integer(n_rejected_)}};
    FS_TRY_VOID(write_file_atomic(work_ + "/progress.json", json.dump() + "\n"));
    since_checkpoint_ = 0;
    if (!progress_(done_before_ + std::min(offset_, total_ - done_before_), total_)) return Error{ErrorCode::kCancelled, "interrupted; run the same command again to go on"};
    return {};
  }

  Status reject(const Source& source, int64_t row, const std::string& reason) {
    ++n_rejected_;
    const RejectedRow rejected{base_name(source.path), row, clean_text(reason)};
    if (first_rejected_.size() < 20) first_rejected_.push_back(rejected);
    return rejects_.append(Json(Json::Object{{"file", rejected.file}, {"row", rejected.row}, {"reason", rejected.reason}}).dump());
  }

  Status accept(const Source& source, int64_t line, DatasetRow row, Lineage lineage) {
    lineage.source = base_name(source.path);
    lineage.source_digest = source_digest_;
    lineage.line = line;
    lineage.id = row_id(row);
    ++n_rows_;
    FS_TRY_VOID(rows_.append(row_json(row).dump()));
    return lineage_.append(lineage_json(lineage).dump());
  }

  Status take_json(const Source& source, int64_t line, const Json& json) {
    Lineage lineage = options_.origin;
    if (const Status origin = read_origin(json, &lineage); !origin.ok()) return reject(source, line, origin.error().message);
    if (options_.require_consent) {
      const Json* const consent = json.find("consent");
      if (consent == nullptr || !consent->is_bool() || !consent->as_bool()) return reject(source, line, "no \"consent\": true, and it is required");
    }
    Result<DatasetRow> row = parse_row(json);
    if (!row.ok()) return reject(source, line, row.error().message);
    return accept(source, line, std::move(row).value(), std::move(lineage));
  }

  Status one_file(const Source& source) {
    auto digest = sha256_file(source.path);
    if (!digest.ok()) return reject(source, 0, digest.error().message);
    source_digest_ = std::move(digest).value();
    if (source.format != "jsonl" && source.format != "csv") return document(source);
    auto file = MappedFile::open(source.path);
    if (!file.ok()) return reject(source, 0, file.error().message);
    const void* const data = file->bytes().data();
    std::string_view text(static_cast<const char*>(data), file->bytes().size());
    std::string decoded;
    const bool marked = text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff");
    if (marked || (options_.encoding != TextEncoding::kAuto && options_.encoding != TextEncoding::kUtf8)) {
      auto converted = decode_text(text, options_.encoding);
      if (!converted.ok()) return reject(source, 0, converted.error().message);
      decoded = std::move(converted).value();
      text = decoded;
    }
    if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
    return source.format == "csv" ? csv(source, text) : jsonl(source, text);
  }

  Status maybe_checkpoint() {
    if (++since_checkpoint_ < options_.rows_per_checkpoint) return {};
    return checkpoint(file_idx_);
  }

  Status jsonl(const Source& source, std::string_view text) {
    while (offset_ < text.size()) {
      const size_t end = std::min(text.find('\n', offset_), text.size());
      const std::string_view line = text.substr(offset_, end - offset_);
      offset_ = end + 1;
      ++line_;
      if (line.size() > options_.row_bytes_max) {
        FS_TRY_VOID(reject(source, line_, fmt::format("{} bytes, the limit of a row is {}", line.size(), options_.row_bytes_max)));
      } else if (line.find_first_not_of(" \t\r") != std::string_view::npos) {
        FS_TRY_VOID(json_line(source, line));
      }
      FS_TRY_VOID(maybe_checkpoint());
    }
    return {};
  }

  Status json_line(const Source& source, std::string_view line) {
    if (const std::string hint = encoding_hint(line); !hint.empty()) return reject(source, line_, hint);
    const auto json = Json::parse(line, kRowLimits);
    if (!json.ok()) return reject(source, line_, json.error().message);
    return take_json(source, line_, *json);
  }

  Status csv(const Source& source, std::string_view text) {
    if (text.empty()) return reject(source, 0, "empty file");
    const char separator = guess_csv_separator(text.substr(0, std::min(text.find('\n'), text.size())));
    CsvRecord record;
    if (const Status head = read_csv_record(text, 0, separator, options_.row_bytes_max, &record); !head.ok()) return reject(source, 1, "head: " + head.error().message);
    std::vector<std::string> names = record.fields;
    for (std::string& name : names) {
      for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
    if (std::set<std::string>(names.begin(), names.end()).size() != names.size()) return reject(source, 1, "head: two columns have the same name");
    if (offset_ == 0) {
      offset_ = record.end;
      line_ = static_cast<int64_t>(record.n_lines);
    }
    while (offset_ < text.size()) {
      const int64_t line = line_ + 1;
      const Status read = read_csv_record(text, offset_, separator, options_.row_bytes_max, &record);
      const std::string_view raw = text.substr(record.begin, record.end - record.begin);
      offset_ = record.end;
      line_ += static_cast<int64_t>(record.n_lines);
      const bool empty_line = record.fields.size() == 1 && record.fields[0].empty();
      if (!read.ok()) {
        FS_TRY_VOID(reject(source, line, read.error().message));
      } else if (!empty_line) {
        FS_TRY_VOID(csv_row(source, line, names, record.fields, raw));
      }
      FS_TRY_VOID(maybe_checkpoint());
    }
    return {};
  }

  Status csv_row(const Source& source, int64_t line, const std::vector<std::string>& names, const std::vector<std::string>& fields, std::string_view raw) {
    if (const std::string hint = encoding_hint(raw); !hint.empty()) return reject(source, line, hint);
    if (fields.size() != names.size()) return reject(source, line, fmt::format("{} fields, the head has {}", fields.size(), names.size()));
    Json json{Json::Object{}};
    for (size_t i = 0; i < names.size(); ++i) {
      if (names[i] == "consent") {
        json.set("consent", fields[i] == "true" || fields[i] == "1" || fields[i] == "yes");
      } else if (!fields[i].empty()) {
        json.set(names[i], fields[i]);
      }
    }
    return take_json(source, line, json);
  }

  Status document(const Source& source) {
    auto read = [&]() -> Result<Document> {
      if (source.format == "pdf") {
        if (!source.path.ends_with(".pdf")) return Error{ErrorCode::kInvalidArgument, "expected a name that ends in .pdf"};
        return read_document_file(source.path);
      }
      const DocumentFormat format = source.format == "html" ? DocumentFormat::kHtml : source.format == "markdown" ? DocumentFormat::kMarkdown : DocumentFormat::kPlain;
      FS_TRY(std::string bytes, read_file(source.path, DocumentLimits{}.file_bytes_max));
      if (options_.encoding != TextEncoding::kAuto) {
        FS_TRY(bytes, decode_text(bytes, options_.encoding));
      }
      return read_document(format, bytes);
    }();
    if (!read.ok()) return reject(source, 0, read.error().message);
    if (options_.require_consent) return reject(source, 0, "documents carry no consent, and it is required");
    int64_t n = 0;
    for (const Passage& passage : passages_of(*read, std::max<uint64_t>(options_.passage_bytes_max, 16))) {
      DatasetRow row;
      row.text = passage.heading.empty() ? passage.text : passage.heading + "\n\n" + passage.text;
      FS_TRY_VOID(accept(source, ++n, std::move(row), options_.origin));
    }
    if (n == 0) return reject(source, 0, "no text in it");
    return {};
  }

  Result<IngestReport> publish() {
    IngestReport report;
    report.n_rows = n_rows_;
    report.n_rejected = n_rejected_;
    report.first_rejected = first_rejected_;
    if (n_rows_ == 0) {
      std::string message = fmt::format("no row could be taken, {} were refused", n_rejected_);
      if (!first_rejected_.empty()) message += fmt::format("; the first: {} row {}: {}", first_rejected_[0].file, first_rejected_[0].row, first_rejected_[0].reason);
      for (const char* name : {"rows.jsonl", "lineage.jsonl", "rejects.jsonl", "progress.json"}) ::unlink((work_ + "/" + name).c_str());
      ::rmdir(work_.c_str());
      return Error{ErrorCode::kFailedPrecondition, message};
    }
    FS_TRY_VOID(count());
    if (n_rejected_ == 0) ::unlink((work_ + "/rejects.jsonl").c_str());
    Json::Array files;
    for (const Source& source : sources_) files.push_back(Json::Object{{"file", base_name(source.path)}, {"format", source.format}, {"bytes", static_cast<int64_t>(source.n_bytes)}});
    DatasetStore::Step step;
    step.name = "ingest";
    step.options = Json::Object{{"files", std::move(files)}, {"require_consent", options_.require_consent}};
    step.report = Json::Object{{"rows", static_cast<int64_t>(n_rows_)}, {"rejected", static_cast<int64_t>(n_rejected_)}};
    FS_TRY(report.version, store_.publish_folder(options_.name, work_, counts_, Json(), step, now_us_));
    return report;
  }

  // From the files, so that a run that went on counts what earlier ones wrote.
  Status count() {
    FS_TRY(const MappedFile rows, MappedFile::open(work_ + "/rows.jsonl"));
    FS_TRY(const MappedFile lineage, MappedFile::open(work_ + "/lineage.jsonl"));
    std::map<std::string, int64_t> kinds;
    const void* const row_data = rows.bytes().data();
    const std::string_view text(static_cast<const char*>(row_data), rows.bytes().size());
    for (size_t at = 0; at < text.size(); at = std::min(text.find('\n', at), text.size()) + 1) {
      const std::string_view head = text.substr(at, 12);
      ++kinds[head.starts_with("{\"messages\"") ? "messages" : head.starts_with("{\"prompt\"") ? "pair" : "text"];
    }
    std::set<std::pair<std::string, std::string>> users;
    std::set<std::string> tenants;
    const void* const lineage_data = lineage.bytes().data();
    const std::string_view origins(static_cast<const char*>(lineage_data), lineage.bytes().size());
    for (size_t at = 0; at < origins.size();) {
      const size_t end = std::min(origins.find('\n', at), origins.size());
      FS_TRY(const Json json, Json::parse(origins.substr(at, end - at)));
      FS_TRY(const Lineage origin, parse_lineage(json));
      if (!origin.user.empty()) users.emplace(origin.tenant, origin.user);
      if (!origin.tenant.empty()) tenants.insert(origin.tenant);
      at = end + 1;
    }
    counts_.kinds = Json(Json::Object{});
    for (const auto& [kind, n] : kinds) counts_.kinds.set(kind, n);
    counts_.languages = Json(Json::Object{});
    counts_.n_rows = n_rows_;
    counts_.n_users = users.size();
    counts_.n_tenants = tenants.size();
    return {};
  }

  const DatasetStore& store_;
  const IngestOptions& options_;
  const int64_t now_us_;
  const std::function<bool(uint64_t, uint64_t)>& progress_;
  std::vector<Source> sources_;
  std::string work_, source_digest_;
  uint64_t total_ = 0, done_before_ = 0, offset_ = 0;
  size_t file_idx_ = 0;
  int64_t line_ = 0;
  uint64_t n_rows_ = 0, n_rejected_ = 0, since_checkpoint_ = 0;
  PartFile rows_, lineage_, rejects_;
  std::vector<RejectedRow> first_rejected_;
  DatasetStore::Counts counts_;
};

}  // namespace

Result<IngestReport> ingest(const DatasetStore& store, const IngestOptions& options, int64_t now_us, const std::function<bool(uint64_t, uint64_t)>& progress) {
  return Ingest(store, options, now_us, progress).run();
}

}  // namespace firesteel
