// A tenant's own documents, cut into passages, and the search in them: an index of words (SQLite's FTS5, PostgreSQL's tsvector) finds
// candidates, BM25 over that tenant's passages alone ranks them, so that nothing of another tenant, not even how often it uses a word,
// shows in an order. Where passages have vectors of a model whose embeddings tell texts apart, their order by cosine is joined to it by
// reciprocal ranks. Every operation takes the tenant.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
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
  std::string embedded_by = {};  // digest of the model that all its passages have vectors of; empty: of none
};

struct StoredPassage {
  std::string heading, text;
};

struct PassageHit {
  DocumentId document;
  std::string name;         // of the document
  int64_t number = 0;       // of the passage, from 1
  std::string heading, text;
  double score = 0;         // BM25, or the sum of reciprocal ranks where a meaning was searched, too; larger is better
};

// A direction in eight bits a number, scaled to its largest: cosines come out within 0.01.
struct PassageVector {
  std::vector<int8_t> values = {};
  bool operator==(const PassageVector&) const = default;
};
PassageVector passage_vector(std::span<const float> direction);
double cosine(const PassageVector& a, const PassageVector& b);  // 0 for different sizes, and for nothing

// What a query means to the model of that digest. Passages below `floor` are no hits: texts that have nothing to do with each other
// are about as near.
struct QueryMeaning {
  std::string model = {};
  PassageVector vector = {};
  double floor = 0;
};
using MeaningFn = std::function<std::optional<QueryMeaning>(std::string_view text)>;  // nullopt: the model's embeddings are of no use

struct PassageToEmbed {
  int64_t id = 0;
  std::string text;         // heading and content
};

// Words of a query or a passage: runs of letters and digits, in lower case (ASCII; other characters as they are), at most 64 of 64 bytes.
std::vector<std::string> search_words(std::string_view text, size_t n_max = 64);

class DocumentIndex {
 public:
  static constexpr int64_t kDocumentsMax = 1000;          // of a tenant
  static constexpr int64_t kPassagesMax = 200'000;        // of a tenant
  static constexpr size_t kPassageBytesMax = 4096;
  static constexpr size_t kCandidatesMax = 500;
  static constexpr size_t kVectorsMax = 20'000;           // that a search compares, the newest

  explicit DocumentIndex(Store& store) : store_(store) {}

  // kInvalidArgument: no passage, one too long or not UTF-8. kResourceExhausted: the tenant's limits.
  Result<StoredDocument> add(const TenantId& tenant, std::string name, std::string title, int64_t n_bytes, const std::vector<StoredPassage>& passages, int64_t now_us);
  Result<std::vector<StoredDocument>> list(const TenantId& tenant);          // newest first
  Status erase(const TenantId& tenant, const DocumentId& document);         // kNotFound also for another tenant's
  // At most n passages, best first; equal scores in order of their documents. Empty for a query without words and meaning.
  Result<std::vector<PassageHit>> search(const TenantId& tenant, std::string_view query, size_t n, const QueryMeaning* meaning = nullptr);

  // For who computes vectors, over all tenants: at most n passages without one of this model, oldest first; and what came of them. A
  // passage that is gone meanwhile is passed over.
  Result<std::vector<PassageToEmbed>> without_vector(const std::string& model, size_t n);
  Status put_vectors(const std::string& model, const std::vector<std::pair<int64_t, PassageVector>>& vectors);

 private:
  Store& store_;
};

}  // namespace firesteel
