// A tenant's own documents, cut into passages, and the search in them: SQLite's FTS5 finds candidates, BM25 over that tenant's passages
// alone ranks them, so that nothing of another tenant, not even how often it uses a word, shows in an order. Every operation takes the tenant.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "schema/ids.h"
#include "store/store.h"

namespace firesteel {

struct DocumentTag { static constexpr std::string_view kPrefix = "doc_"; };
using DocumentId = RecordId<DocumentTag>;

struct StoredDocument {
  DocumentId id;
  std::string name, title;
  int64_t n_bytes = 0;      // as it was uploaded
  int64_t n_passages = 0;
  int64_t created_us = 0;
};

struct StoredPassage {
  std::string heading, text;
};

struct PassageHit {
  DocumentId document;
  std::string name;         // of the document
  int64_t number = 0;       // of the passage, from 1
  std::string heading, text;
  double score = 0;         // BM25; larger is better
};

// Words of a query or a passage: runs of letters and digits, in lower case (ASCII; other characters as they are), at most 64 of 64 bytes.
std::vector<std::string> search_words(std::string_view text, size_t n_max = 64);

class DocumentIndex {
 public:
  static constexpr int64_t kDocumentsMax = 1000;          // of a tenant
  static constexpr int64_t kPassagesMax = 200'000;        // of a tenant
  static constexpr size_t kPassageBytesMax = 4096;
  static constexpr size_t kCandidatesMax = 500;

  explicit DocumentIndex(Store& store) : store_(store) {}

  // kInvalidArgument: no passage, one too long or not UTF-8. kResourceExhausted: the tenant's limits.
  Result<StoredDocument> add(const TenantId& tenant, std::string name, std::string title, int64_t n_bytes, const std::vector<StoredPassage>& passages, int64_t now_us);
  Result<std::vector<StoredDocument>> list(const TenantId& tenant);          // newest first
  Status erase(const TenantId& tenant, const DocumentId& document);         // kNotFound also for another tenant's
  // At most n passages, best first; equal scores in order of their documents. Empty for a query without words.
  Result<std::vector<PassageHit>> search(const TenantId& tenant, std::string_view query, size_t n);

 private:
  Store& store_;
};

}  // namespace firesteel
