#include "store/document_index.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "base/utf8.h"

namespace firesteel {
namespace {

constexpr double kRankOffset = 60;      // Cormack, Clarke and Buettcher 2009, "Reciprocal rank fusion"
constexpr size_t kFusedMax = 50;        // of each order
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
  out.embedded_by = row.text(6);
  return out;
}

// Whether words are PostgreSQL's to find.
Result<bool> uses_tsvector(Reader& reader) {
  FS_TRY(const std::optional<Row> row, reader.first("SELECT count(*) FROM search_kinds WHERE name = 'tsvector'", {}));
  return row->integer(0) > 0;
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : " ") + word;
  return out;
}

PassageHit hit_of(const Row& row) {
  PassageHit hit;
  hit.document = DocumentId::parse(row.text(1)).value_or(DocumentId());
  hit.name = row.text(2);
  hit.number = row.integer(3);
  hit.heading = row.text(4);
  hit.text = row.text(5);
  return hit;
}

bool is_before(const PassageHit& a, const PassageHit& b) {
  if (a.score != b.score) return a.score > b.score;
  if (a.name != b.name) return a.name < b.name;
  return a.document == b.document ? a.number < b.number : a.document < b.document;
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

// Passages of the tenant by cosine, best first.
Status nearest(Reader& reader, const TenantId& tenant, const QueryMeaning& meaning, std::vector<PassageHit>* near) {
  std::vector<std::pair<double, int64_t>> found;
  FS_TRY_VOID(reader.each("SELECT passage, vector FROM passage_vectors WHERE tenant = $1 AND model = $2 ORDER BY passage DESC LIMIT 20000", {tenant.str(), meaning.model}, [&](const Row& row) {
    const std::string bytes = row.blob(1);
    PassageVector vector;
    vector.values.assign(bytes.begin(), bytes.end());
    const double at = cosine(meaning.vector, vector);
    if (at > meaning.floor) found.emplace_back(-at, row.integer(0));
    return true;
  }));
  std::sort(found.begin(), found.end());
  if (found.size() > kFusedMax) found.resize(kFusedMax);
  for (const auto& [at, id] : found) {
    FS_TRY(const std::optional<Row> row, reader.first("SELECT p.id, p.document, d.name, p.number, p.heading, p.content FROM passages p JOIN documents d ON d.id = p.document "
                                                      "WHERE p.id = $1 AND p.tenant = $2 AND d.tenant = $2", {id, tenant.str()}));
    if (row) near->push_back(hit_of(*row));
  }
  return {};
}

// Both orders joined: what is high in either is high, what is high in both is higher.
std::vector<PassageHit> fused(std::vector<PassageHit> by_words, std::vector<PassageHit> by_meaning) {
  std::map<std::pair<std::string, int64_t>, PassageHit> all;
  for (std::vector<PassageHit>* const order : {&by_words, &by_meaning}) {
    for (size_t i = 0; i < order->size() && i < kFusedMax; ++i) {
      PassageHit& hit = (*order)[i];
      const double more = 1 / (kRankOffset + static_cast<double>(i) + 1);
      hit.score = 0;
      all.try_emplace({hit.document.str(), hit.number}, std::move(hit)).first->second.score += more;
    }
  }
  std::vector<PassageHit> out;
  for (auto& [place, hit] : all) out.push_back(std::move(hit));
  std::sort(out.begin(), out.end(), is_before);
  return out;
}

}  // namespace

PassageVector passage_vector(std::span<const float> direction) {
  float most = 0;
  for (const float x : direction) most = std::isfinite(x) ? std::max(most, std::fabs(x)) : most;
  PassageVector out;
  if (most <= 0) return out;
  for (const float x : direction) out.values.push_back(static_cast<int8_t>(std::isfinite(x) ? std::lround(x / most * 127) : 0));
  return out;
}

double cosine(const PassageVector& a, const PassageVector& b) {
  if (a.values.size() != b.values.size() || a.values.empty()) return 0;
  int64_t ab = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < a.values.size(); ++i) {
    ab += a.values[i] * b.values[i];
    aa += a.values[i] * a.values[i];
    bb += b.values[i] * b.values[i];
  }
  return aa == 0 || bb == 0 ? 0 : static_cast<double>(ab) / std::sqrt(static_cast<double>(aa) * static_cast<double>(bb));
}

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
    FS_TRY(const bool has_tsvector, uses_tsvector(transaction));
    FS_TRY(const std::optional<Row> last, transaction.first("SELECT coalesce(max(id), 0) FROM passages", {}));
    int64_t id = last->integer(0);
    for (size_t i = 0; i < passages.size(); ++i) {
      ++id;
      const std::vector<std::string> words = search_words(passages[i].heading + " " + passages[i].text, 2000);
      const auto n_words = static_cast<int64_t>(words.size());
      FS_TRY_VOID(transaction.execute("INSERT INTO passages(id, tenant, document, number, heading, content, n_words) VALUES($1, $2, $3, $4, $5, $6, $7)",
                                      {id, tenant.str(), made.id.str(), static_cast<int64_t>(i) + 1, passages[i].heading, passages[i].text, n_words}));
      if (has_tsvector) {  // our own words, taken as they are: both databases find the same
        FS_TRY_VOID(transaction.execute("INSERT INTO passage_words(passage, tenant, words) VALUES($1, $2, array_to_tsvector(string_to_array($3, ' ')))", {id, tenant.str(), joined(words)}));
      } else {
        FS_TRY_VOID(transaction.execute("INSERT INTO passages_fts(rowid, heading, content) VALUES($1, $2, $3)", {id, passages[i].heading, passages[i].text}));
      }
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
    return reader.each("SELECT id, name, title, n_bytes, n_passages, created_us, embedded_by FROM documents WHERE tenant = $1 ORDER BY created_us DESC, id LIMIT 1000", {tenant.str()}, [&](const Row& row) {
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
    FS_TRY(const bool has_tsvector, uses_tsvector(transaction));
    FS_TRY_VOID(transaction.execute("DELETE FROM passage_vectors WHERE tenant = $1 AND document = $2", {tenant.str(), document.str()}));
    if (has_tsvector) {
      FS_TRY_VOID(transaction.execute("DELETE FROM passage_words WHERE passage IN (SELECT id FROM passages WHERE tenant = $1 AND document = $2)", {tenant.str(), document.str()}));
    } else {
      FS_TRY_VOID(transaction.execute("DELETE FROM passages_fts WHERE rowid IN (SELECT id FROM passages WHERE tenant = $1 AND document = $2)", {tenant.str(), document.str()}));
    }
    FS_TRY_VOID(transaction.execute("DELETE FROM passages WHERE tenant = $1 AND document = $2", {tenant.str(), document.str()}));
    return {};
  });
}

Result<std::vector<PassageHit>> DocumentIndex::search(const TenantId& tenant, std::string_view query, size_t n, const QueryMeaning* meaning) {
  std::vector<std::string> words = search_words(query);
  std::sort(words.begin(), words.end());
  words.erase(std::unique(words.begin(), words.end()), words.end());
  // Words in quotes are words and nothing else to both.
  std::string any, any_lexeme;
  for (const std::string& word : words) {
    any += (any.empty() ? "\"" : " OR \"") + word + "\"";
    any_lexeme += (any_lexeme.empty() ? "'" : " | '") + word + "'";
  }
  const bool by_words = !words.empty() && is_valid_utf8(any);
  const bool by_meaning = meaning != nullptr && !meaning->vector.values.empty();
  std::vector<PassageHit> hits, near;
  if ((!by_words && !by_meaning) || n == 0) return hits;
  int64_t n_passages = 0, n_words = 0;
  const Status read = store_.read([&](Reader& reader) -> Status {
    hits.clear();
    near.clear();
    const auto add = [&](const Row& row) {
      hits.push_back(hit_of(row));
      return true;
    };
    if (by_words) {
      FS_TRY(const std::optional<Row> sums, reader.first("SELECT count(*), CAST(coalesce(sum(n_words), 0) AS BIGINT) FROM passages WHERE tenant = $1", {tenant.str()}));
      n_passages = sums->integer(0);
      n_words = sums->integer(1);
      FS_TRY(const bool has_tsvector, uses_tsvector(reader));
      if (has_tsvector) {
        FS_TRY_VOID(reader.each(
            "SELECT p.id, p.document, d.name, p.number, p.heading, p.content FROM passage_words w JOIN passages p ON p.id = w.passage JOIN documents d ON d.id = p.document "
            "WHERE w.words @@ $1::tsquery AND w.tenant = $2 AND p.tenant = $2 AND d.tenant = $2 ORDER BY p.id DESC LIMIT 500",
            {any_lexeme, tenant.str()}, add));
      } else {
        FS_TRY_VOID(reader.each(
            "SELECT p.id, p.document, d.name, p.number, p.heading, p.content FROM passages_fts f JOIN passages p ON p.id = f.rowid JOIN documents d ON d.id = p.document "
            "WHERE passages_fts MATCH $1 AND p.tenant = $2 AND d.tenant = $2 ORDER BY p.id DESC LIMIT 500",
            {any, tenant.str()}, add));
      }
    }
    return by_meaning ? nearest(reader, tenant, *meaning, &near) : Status();
  });
  FS_TRY_VOID(read);
  rank(words, n_passages, n_passages == 0 ? 0 : static_cast<double>(n_words) / static_cast<double>(n_passages), &hits);
  std::sort(hits.begin(), hits.end(), is_before);
  if (by_meaning) hits = fused(std::move(hits), std::move(near));
  if (hits.size() > n) hits.resize(n);
  return hits;
}

Result<std::vector<PassageToEmbed>> DocumentIndex::without_vector(const std::string& model, size_t n) {
  std::vector<PassageToEmbed> out;
  FS_TRY_VOID(store_.read([&](Reader& reader) -> Status {
    out.clear();
    return reader.each("SELECT p.id, p.heading, p.content FROM passages p LEFT JOIN passage_vectors v ON v.passage = p.id AND v.model = $1 WHERE v.passage IS NULL ORDER BY p.id LIMIT $2",
                       {model, static_cast<int64_t>(n)}, [&](const Row& row) {
                         out.push_back({row.integer(0), row.text(1).empty() ? row.text(2) : row.text(1) + "\n" + row.text(2)});
                         return true;
                       });
  }));
  return out;
}

Status DocumentIndex::put_vectors(const std::string& model, const std::vector<std::pair<int64_t, PassageVector>>& vectors) {
  return store_.write([&](Transaction& transaction) -> Status {
    std::set<std::string> touched;
    for (const auto& [id, vector] : vectors) {
      FS_TRY(const std::optional<Row> passage, transaction.first("SELECT tenant, document FROM passages WHERE id = $1", {id}));
      if (!passage) continue;
      touched.insert(passage->text(1));
      const Blob bytes{std::string(reinterpret_cast<const char*>(vector.values.data()), vector.values.size())};
      FS_TRY_VOID(transaction.execute("INSERT INTO passage_vectors(passage, tenant, document, model, vector) VALUES($1, $2, $3, $4, $5) "
                                      "ON CONFLICT(passage) DO UPDATE SET model = excluded.model, vector = excluded.vector",
                                      {id, passage->text(0), passage->text(1), model, bytes}));
    }
    for (const std::string& document : touched) {
      FS_TRY_VOID(transaction.execute("UPDATE documents SET embedded_by = CASE WHEN n_passages = (SELECT count(*) FROM passage_vectors v WHERE v.document = $1 AND v.model = $2) "
                                      "THEN $2 ELSE '' END WHERE id = $1", {document, model}));
    }
    return {};
  });
}

}  // namespace firesteel
