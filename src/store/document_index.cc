#include "store/document_index.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <utility>

#include "base/utf8.h"

namespace firesteel {
namespace {

constexpr size_t kNameBytesMax = 255, kTitleBytesMax = 500, kWordBytesMax = 64;
constexpr double kK1 = 1.2, kB = 0.75;  // Robertson and Zaragoza 2009, the usual values

Error wrong(std::string what) { return {ErrorCode::kInvalidArgument, std::move(what)}; }
bool is_text(const std::string& text) { return is_valid_utf8(text) && text.find('\0') == std::string::npos; }

StoredDocument document_of(const Row& row) {
  StoredDocument out;
  out.id = DocumentId::parse(row.text(0)).value_or(DocumentId());
  out.name = row.text(1);
  out.title = row.text(2);
  out.n_bytes = row.integer(3);
  out.n_passages = row.integer(4);
  out.created_us = row.integer(5);
  return out;
}

// Scores of candidates, which are all passages of the tenant that hold any of the words (or the newest of very many).
void rank(const std::vector<std::string>& words, int64_t n_passages, double mean_length, std::vector<PassageHit>* hits) {
  std::vector<std::map<std::string, int>> counts(hits->size());
  std::vector<double> lengths(hits->size());
  std::map<std::string, int> n_with;
  for (size_t i = 0; i < hits->size(); ++i) {
    for (const std::string& word : search_words((*hits)[i].heading + " " + (*hits)[i].text, 2000)) {
      ++counts[i][word];
      lengths[i] += 1;
    }
    for (const std::string& word : words) n_with[word] += counts[i].contains(word) ? 1 : 0;
  }
  for (size_t i = 0; i < hits->size(); ++i) {
    double score = 0;
    for (const std::string& word : words) {
      const auto found = counts[i].find(word);
      if (found == counts[i].end()) continue;
      const double n = n_with[word];
      const double rarity = std::log1p((static_cast<double>(n_passages) - n + 0.5) / (n + 0.5));
      const double frequency = found->second;
      score += rarity * frequency * (kK1 + 1) / (frequency + kK1 * (1 - kB + kB * lengths[i] / std::max(mean_length, 1.0)));
    }
    (*hits)[i].score = score;
  }
}

}  // namespace

std::vector<std::string> search_words(std::string_view text, size_t n_max) {
  std::vector<std::string> out;
  std::string word;
  const auto end_word = [&] {
    if (!word.empty() && word.size() <= kWordBytesMax && out.size() < n_max) out.push_back(word);
    word.clear();
  };
  for (const char c : text) {
    const bool is_upper = c >= 'A' && c <= 'Z';
    const bool is_part = is_upper || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (static_cast<unsigned char>(c) & 0x80) != 0;
    if (is_part) word.push_back(is_upper ? static_cast<char>(c + 32) : c);
    else end_word();
  }
  end_word();
  return out;
}

Result<StoredDocument> DocumentIndex::add(const TenantId& tenant, std::string name, std::string title, int64_t n_bytes, const std::vector<StoredPassage>& passages, int64_t now_us) {
  if (name.empty() || name.size() > kNameBytesMax || !is_text(name)) return wrong("name: expected 1 to 255 bytes of text");
  if (!is_text(title)) return wrong("title: expected text");
  if (title.size() > kTitleBytesMax) title.resize(complete_utf8_prefix(std::string_view(title).substr(0, kTitleBytesMax)));
  if (passages.empty()) return wrong("the document holds no text");
  for (const StoredPassage& passage : passages) {
    if (passage.text.size() > kPassageBytesMax || passage.heading.size() > kPassageBytesMax || !is_text(passage.text) || !is_text(passage.heading)) return wrong("a passage is too long, or no text");
  }
  StoredDocument made;
  made.id = DocumentId::fresh();
  made.name = std::move(name);
  made.title = std::move(title);
  made.n_bytes = n_bytes;
  made.n_passages = static_cast<int64_t>(passages.size());
  made.created_us = now_us;
  const Status written = store_.write([&](Transaction& transaction) -> Status {
    FS_TRY(const std::optional<Row> sums, transaction.first("SELECT count(*), CAST(coalesce(sum(n_passages), 0) AS BIGINT) FROM documents WHERE tenant = $1", {tenant.str()}));
    if (sums->integer(0) >= kDocumentsMax) return Error{ErrorCode::kResourceExhausted, "there are " + std::to_string(sums->integer(0)) + " documents, which is the limit"};
    if (sums->integer(1) + made.n_passages > kPassagesMax) return Error{ErrorCode::kResourceExhausted, "there would be more than " + std::to_string(kPassagesMax) + " passages"};
    FS_TRY_VOID(transaction.execute("INSERT INTO documents(id, tenant, name, title, n_bytes, n_passages, created_us) VALUES($1, $2, $3, $4, $5, $6, $7)",
                                    {made.id.str(), tenant.str(), made.name, made.title, made.n_bytes, made.n_passages, made.created_us}));
    FS_TRY(const std::optional<Row> last, transaction.first("SELECT coalesce(max(id), 0) FROM passages", {}));
    int64_t id = last->integer(0);
    for (size_t i = 0; i < passages.size(); ++i) {
      ++id;
      const auto n_words = static_cast<int64_t>(search_words(passages[i].heading + " " + passages[i].text, 2000).size());
      FS_TRY_VOID(transaction.execute("INSERT INTO passages(id, tenant, document, number, heading, content, n_words) VALUES($1, $2, $3, $4, $5, $6, $7)",
                                      {id, tenant.str(), made.id.str(), static_cast<int64_t>(i) + 1, passages[i].heading, passages[i].text, n_words}));
      FS_TRY_VOID(transaction.execute("INSERT INTO passages_fts(rowid, heading, content) VALUES($1, $2, $3)", {id, passages[i].heading, passages[i].text}));
    }
    return {};
  });
  FS_TRY_VOID(written);
  return made;
}

Result<std::vector<StoredDocument>> DocumentIndex::list(const TenantId& tenant) {
  std::vector<StoredDocument> out;
  FS_TRY_VOID(store_.read([&](Reader& reader) -> Status {
    out.clear();
    return reader.each("SELECT id, name, title, n_bytes, n_passages, created_us FROM documents WHERE tenant = $1 ORDER BY created_us DESC, id LIMIT 1000", {tenant.str()}, [&](const Row& row) {
      out.push_back(document_of(row));
      return true;
    });
  }));
  return out;
}

Status DocumentIndex::erase(const TenantId& tenant, const DocumentId& document) {
  return store_.write([&](Transaction& transaction) -> Status {
    FS_TRY(const int64_t n, transaction.execute("DELETE FROM documents WHERE tenant = $1 AND id = $2", {tenant.str(), document.str()}));
    if (n == 0) return Error{ErrorCode::kNotFound, "no such document"};
    FS_TRY_VOID(transaction.execute("DELETE FROM passages_fts WHERE rowid IN (SELECT id FROM passages WHERE tenant = $1 AND document = $2)", {tenant.str(), document.str()}));
    FS_TRY_VOID(transaction.execute("DELETE FROM passages WHERE tenant = $1 AND document = $2", {tenant.str(), document.str()}));
    return {};
  });
}

Result<std::vector<PassageHit>> DocumentIndex::search(const TenantId& tenant, std::string_view query, size_t n) {
  std::vector<std::string> words = search_words(query);
  std::sort(words.begin(), words.end());
  words.erase(std::unique(words.begin(), words.end()), words.end());
  std::vector<PassageHit> hits;
  if (words.empty() || n == 0) return hits;
  std::string any;  // words in quotes are words and nothing else to FTS5
  for (const std::string& word : words) any += (any.empty() ? "\"" : " OR \"") + word + "\"";
  if (!is_valid_utf8(any)) return hits;
  int64_t n_passages = 0, n_words = 0;
  FS_TRY_VOID(store_.read([&](Reader& reader) -> Status {
    hits.clear();
    FS_TRY(const std::optional<Row> sums, reader.first("SELECT count(*), CAST(coalesce(sum(n_words), 0) AS BIGINT) FROM passages WHERE tenant = $1", {tenant.str()}));
    n_passages = sums->integer(0);
    n_words = sums->integer(1);
    return reader.each(
        "SELECT p.document, d.name, p.number, p.heading, p.content FROM passages_fts f JOIN passages p ON p.id = f.rowid JOIN documents d ON d.id = p.document "
        "WHERE passages_fts MATCH $1 AND p.tenant = $2 AND d.tenant = $2 ORDER BY p.id DESC LIMIT 500",
        {any, tenant.str()}, [&](const Row& row) {
          PassageHit hit;
          hit.document = DocumentId::parse(row.text(0)).value_or(DocumentId());
          hit.name = row.text(1);
          hit.number = row.integer(2);
          hit.heading = row.text(3);
          hit.text = row.text(4);
          hits.push_back(std::move(hit));
          return true;
        });
  }));
  rank(words, n_passages, n_passages == 0 ? 0 : static_cast<double>(n_words) / static_cast<double>(n_passages), &hits);
  std::sort(hits.begin(), hits.end(), [](const PassageHit& a, const PassageHit& b) {
    if (a.score != b.score) return a.score > b.score;
    if (a.name != b.name) return a.name < b.name;
    return a.document == b.document ? a.number < b.number : a.document < b.document;
  });
  if (hits.size() > n) hits.resize(n);
  return hits;
}

}  // namespace firesteel
