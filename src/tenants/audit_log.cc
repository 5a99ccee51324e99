#include "tenants/audit_log.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/json.h"

namespace firesteel {
namespace {

void put_integer(std::string* out, int64_t value) {
  for (int shift = 0; shift < 64; shift += 8) *out += static_cast<char>(static_cast<uint64_t>(value) >> shift & 0xFF);
}
void put_text(std::string* out, std::string_view text) {
  put_integer(out, static_cast<int64_t>(text.size()));
  *out += text;
}

// Notes the first problem in order of rows.
void report(AuditReport* found, int64_t seq, std::string problem) {
  if (!found->ok() && found->first_bad_seq <= seq) return;
  found->first_bad_seq = seq;
  found->problem = std::move(problem);
}

AuditEntry entry_of(const Row& row) {
  return {.chain = row.text(0), .seq = row.integer(1), .at_us = row.integer(2), .actor = row.text(3), .action = row.text(4),
          .target = row.text(5), .details = row.text(6), .previous = row.blob(7), .hash = row.blob(8)};
}

std::string no_hash() { return std::string(32, '\0'); }

}  // namespace

AuditLog::AuditLog(const ServerSecret& secret)
    : chain_key_(secret.derive(ServerSecret::Purpose::kAuditChain)),
      signing_key_(firesteel::signing_key(secret.derive(ServerSecret::Purpose::kAuditSignature))) {}

std::string AuditLog::public_key() const {
  return hex({reinterpret_cast<const char*>(signing_key_.public_key.data()), signing_key_.public_key.size()});
}

std::string AuditLog::row_hash(const AuditEntry& entry) const {
  std::string text;
  text.reserve(160 + entry.details.size());
  put_text(&text, "row");
  put_text(&text, entry.chain);
  put_integer(&text, entry.seq);
  put_integer(&text, entry.at_us);
  put_text(&text, entry.actor);
  put_text(&text, entry.action);
  put_text(&text, entry.target);
  put_text(&text, entry.details);
  put_text(&text, entry.previous);
  return keyed_hash(chain_key_, text);
}

std::string AuditLog::head_mac(const std::string& chain, int64_t seq, const std::string& hash) const {
  std::string text;
  put_text(&text, "head");
  put_text(&text, chain);
  put_integer(&text, seq);
  put_text(&text, hash);
  return keyed_hash(chain_key_, text);
}

std::string AuditLog::checkpoint_text(const Checkpoint& checkpoint) {
  std::string text;
  put_text(&text, "checkpoint");
  put_text(&text, checkpoint.chain);
  put_integer(&text, checkpoint.seq);
  put_integer(&text, checkpoint.at_us);
  put_text(&text, checkpoint.hash);
  put_integer(&text, checkpoint.previous_seq);
  return text;
}

std::string AuditLog::checkpoint_line(const Checkpoint& checkpoint) {
  Json line;
  line.set("chain", checkpoint.chain);
  line.set("seq", checkpoint.seq);
  line.set("at_us", checkpoint.at_us);
  line.set("hash", hex(checkpoint.hash));
  line.set("previous_seq", checkpoint.previous_seq);
  line.set("signature", hex(checkpoint.signature));
  return line.dump() + "\n";
}

std::vector<AuditLog::Checkpoint> AuditLog::parse_external(std::string_view text, std::string* problem) {
  std::vector<Checkpoint> checkpoints;
  for (int number = 1; !text.empty(); ++number) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const Result<Json> json = Json::parse(line, {.depth = 4, .values = 64});
    const auto text_of = [&](const char* name) {
      const Json* member = json->find(name);
      return member != nullptr && member->is_string() ? member->as_string() : std::string();
    };
    const auto integer_of = [&](const char* name) {
      const Json* member = json->find(name);
      return member != nullptr && member->is_int() ? member->as_int() : int64_t{-1};
    };
    if (!json.ok()) {
      // The last line may have been cut off by a crash; one in the middle may not.
      if (!text.empty()) *problem = fmt::format("line {} of the copied checkpoints cannot be read", number);
      continue;
    }
    checkpoints.push_back({.chain = text_of("chain"), .seq = integer_of("seq"), .at_us = integer_of("at_us"), .previous_seq = integer_of("previous_seq"),
                           .hash = from_hex(text_of("hash")), .signature = from_hex(text_of("signature"))});
  }
  return checkpoints;
}

Status AuditLog::append(Transaction& transaction, AuditEntry entry, std::string* checkpoint) const {
  checkpoint->clear();
  FS_TRY(const std::optional<Row> head, transaction.first("SELECT seq, hash, checkpoint_seq, checkpoint_us FROM audit_heads WHERE chain = $1",
                                                          {entry.chain}));
  entry.seq = head ? head->integer(0) + 1 : 1;
  entry.previous = head ? head->blob(1) : no_hash();
  entry.hash = row_hash(entry);
  FS_TRY_VOID(transaction.execute(
      "INSERT INTO audit(chain, seq, at_us, actor, action, target, details, previous, hash) VALUES($1, $2, $3, $4, $5, $6, $7, $8, $9)",
      {entry.chain, entry.seq, entry.at_us, entry.actor, entry.action, entry.target, entry.details, Blob{entry.previous}, Blob{entry.hash}}));
  int64_t checkpoint_seq = head ? head->integer(2) : 0;
  int64_t checkpoint_us = head ? head->integer(3) : entry.at_us;
  if (entry.seq - checkpoint_seq >= kCheckpointRows || entry.at_us - checkpoint_us >= kCheckpointUs || entry.seq == 1) {
    Checkpoint made{.chain = entry.chain, .seq = entry.seq, .at_us = entry.at_us, .previous_seq = checkpoint_seq, .hash = entry.hash, .signature = {}};
    made.signature = sign(signing_key_, checkpoint_text(made));
    FS_TRY_VOID(transaction.execute(
        "INSERT INTO audit_checkpoints(chain, seq, at_us, hash, previous_seq, signature) VALUES($1, $2, $3, $4, $5, $6)",
        {made.chain, made.seq, made.at_us, Blob{made.hash}, made.previous_seq, Blob{made.signature}}));
    *checkpoint = checkpoint_line(made);
    checkpoint_seq = made.seq;
    checkpoint_us = made.at_us;
  }
  FS_TRY_VOID(transaction.execute(
      "INSERT INTO audit_heads(chain, seq, hash, mac, checkpoint_seq, checkpoint_us) VALUES($1, $2, $3, $4, $5, $6) "
      "ON CONFLICT(chain) DO UPDATE SET seq = excluded.seq, hash = excluded.hash, mac = excluded.mac, "
      "checkpoint_seq = excluded.checkpoint_seq, checkpoint_us = excluded.checkpoint_us",
      {entry.chain, entry.seq, Blob{entry.hash}, Blob{head_mac(entry.chain, entry.seq, entry.hash)}, checkpoint_seq, checkpoint_us}));
  return {};
}

Result<std::vector<AuditReport>> AuditLog::verify(Reader& reader, std::string_view external) const {
  std::string external_problem;
  std::map<std::string, std::vector<Checkpoint>> by_chain;
  for (Checkpoint& checkpoint : parse_external(external, &external_problem)) by_chain[checkpoint.chain].push_back(std::move(checkpoint));
  std::set<std::string> chains;
  for (const auto& [chain, list] : by_chain) chains.insert(chain);
  FS_TRY_VOID(reader.each("SELECT DISTINCT chain FROM audit UNION SELECT chain FROM audit_heads UNION SELECT chain FROM audit_checkpoints", {},
                          [&](const Row& row) { chains.insert(row.text(0)); return true; }));
  std::vector<AuditReport> reports;
  for (const std::string& chain : chains) {
    FS_TRY(AuditReport report, verify_chain(reader, chain, by_chain[chain]));
    reports.push_back(std::move(report));
  }
  if (!external_problem.empty()) reports.push_back({.chain = "copied checkpoints", .n_rows = 0, .n_checkpoints = 0, .first_bad_seq = 1, .problem = external_problem});
  return reports;
}

Result<AuditReport> AuditLog::verify_chain(Reader& reader, const std::string& chain, const std::vector<Checkpoint>& external) const {
  AuditReport found{.chain = chain, .n_rows = 0, .n_checkpoints = 0, .first_bad_seq = 0, .problem = {}};
  // What rows must have which hash, by checkpoints whose signature holds.
  std::multimap<int64_t, std::string> expected;
  const auto check_signature = [&](const Checkpoint& checkpoint, const char* which) {
    if (verify_signature(signing_key_.public_key, checkpoint_text(checkpoint), checkpoint.signature)) {
      expected.emplace(checkpoint.seq, checkpoint.hash);
    } else {
      report(&found, std::max<int64_t>(1, checkpoint.seq), fmt::format("the {} checkpoint at row {} has a wrong signature", which, checkpoint.seq));
    }
  };
  int64_t last_checkpoint = 0;
  FS_TRY_VOID(reader.each("SELECT chain, seq, at_us, previous_seq, hash, signature FROM audit_checkpoints WHERE chain = $1 ORDER BY seq", {chain},
                          [&](const Row& row) {
    const Checkpoint checkpoint{.chain = row.text(0), .seq = row.integer(1), .at_us = row.integer(2), .previous_seq = row.integer(3),
                                .hash = row.blob(4), .signature = row.blob(5)};
    check_signature(checkpoint, "stored");
    if (checkpoint.previous_seq != last_checkpoint) report(&found, checkpoint.previous_seq, "a stored checkpoint is missing here");
    last_checkpoint = checkpoint.seq;
    ++found.n_checkpoints;
    return true;
  }));
  for (const Checkpoint& checkpoint : external) check_signature(checkpoint, "copied");

  std::string previous = no_hash();
  int64_t last_seq = 0;
  FS_TRY_VOID(reader.each(
      "SELECT chain, seq, at_us, actor, action, target, details, previous, hash FROM audit WHERE chain = $1 ORDER BY seq", {chain},
      [&](const Row& row) {
        const AuditEntry entry = entry_of(row);
        ++found.n_rows;
        if (entry.seq != last_seq + 1) {
          report(&found, last_seq + 1, fmt::format("row {} is missing", last_seq + 1));
        } else if (entry.previous != previous || entry.hash != row_hash(entry)) {
          report(&found, entry.seq, "the row does not match its hash: it was changed, moved or put in");
        }
        for (auto [at, end] = expected.equal_range(entry.seq); at != end; ++at) {
          if (at->second != entry.hash) report(&found, entry.seq, "the row is not the one that was signed");
        }
        previous = entry.hash;
        last_seq = entry.seq;
        return true;
      }));
  if (!expected.empty() && expected.rbegin()->first > last_seq) {
    report(&found, last_seq + 1, fmt::format("the chain ends at row {}, but row {} was signed: its end is cut off", last_seq, expected.rbegin()->first));
  }
  FS_TRY(const std::optional<Row> head, reader.first("SELECT seq, hash, mac, checkpoint_seq FROM audit_heads WHERE chain = $1", {chain}));
  if (!head) {
    report(&found, last_seq + 1, "the chain's head is missing");
  } else if (head->blob(2) != head_mac(chain, head->integer(0), head->blob(1))) {
    report(&found, last_seq + 1, "the chain's head is not authentic");
  } else if (head->integer(0) != last_seq || head->blob(1) != previous) {
    report(&found, std::min(head->integer(0), last_seq) + 1,
           fmt::format("the chain has {} rows, its head says {}: rows were cut off or put in", last_seq, head->integer(0)));
  } else if (head->integer(3) != last_checkpoint) {
    report(&found, std::min(head->integer(3), last_checkpoint) + 1, fmt::format("the last checkpoint is at row {}, the head says {}", last_checkpoint, head->integer(3)));
  }
  return found;
}

}  // namespace firesteel
