#include "store/migrations.h"

#include <array>
#include <optional>
#include <string_view>

namespace firesteel {
namespace {

// Counters: "tenants" is the generation of everything that the snapshot of `tenants` holds; rows carry the generation at which they
// changed last, so that a reader fetches only what is new. usage_daily repeats what usage says, summed up in the same transaction:
// reports and start-up read it instead of every request.
constexpr const char* kFirst = R"sql(
CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE counters(name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
INSERT INTO counters(name, value) VALUES('tenants', 1);

CREATE TABLE tenants(
  id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, disabled INTEGER NOT NULL, created_us INTEGER NOT NULL,
  flow INTEGER NOT NULL UNIQUE, limits TEXT NOT NULL, generation INTEGER NOT NULL) STRICT;
CREATE INDEX tenants_generation ON tenants(generation);
CREATE TABLE users(
  id TEXT PRIMARY KEY, tenant TEXT NOT NULL, name TEXT NOT NULL, disabled INTEGER NOT NULL, created_us INTEGER NOT NULL,
  generation INTEGER NOT NULL, UNIQUE(tenant, name)) STRICT;
CREATE INDEX users_generation ON users(generation);
CREATE TABLE api_keys(
  id TEXT PRIMARY KEY, tenant TEXT NOT NULL, user_id TEXT NOT NULL, name TEXT NOT NULL, hint TEXT NOT NULL, hash BLOB NOT NULL UNIQUE,
  scopes INTEGER NOT NULL, allowed_models TEXT NOT NULL, consent INTEGER NOT NULL, limits TEXT NOT NULL, created_us INTEGER NOT NULL,
  expires_us INTEGER NOT NULL, revoked_us INTEGER NOT NULL, last_used_us INTEGER NOT NULL, replaced_by TEXT NOT NULL,
  generation INTEGER NOT NULL) STRICT;
CREATE INDEX api_keys_tenant ON api_keys(tenant);
CREATE INDEX api_keys_generation ON api_keys(generation);
CREATE TABLE sessions(
  hash BLOB PRIMARY KEY, tenant TEXT NOT NULL, key_id TEXT NOT NULL, created_us INTEGER NOT NULL, expires_us INTEGER NOT NULL) STRICT;
CREATE INDEX sessions_expires ON sessions(expires_us);
CREATE TABLE prices(
  model TEXT PRIMARY KEY, prompt INTEGER NOT NULL, cached INTEGER NOT NULL, generated INTEGER NOT NULL,
  generation INTEGER NOT NULL) STRICT;

CREATE TABLE usage(
  tenant TEXT NOT NULL, request_id TEXT NOT NULL, key_id TEXT NOT NULL, user_id TEXT NOT NULL, model TEXT NOT NULL,
  endpoint TEXT NOT NULL, finish_reason TEXT NOT NULL, prompt INTEGER NOT NULL, cached INTEGER NOT NULL, generated INTEGER NOT NULL,
  at_us INTEGER NOT NULL, total_us INTEGER NOT NULL, first_token_us INTEGER NOT NULL, cost_micros INTEGER NOT NULL,
  PRIMARY KEY(tenant, request_id)) STRICT;
CREATE INDEX usage_at ON usage(tenant, at_us);
CREATE TABLE usage_branches(
  tenant TEXT NOT NULL, request_id TEXT NOT NULL, branch INTEGER NOT NULL, name TEXT NOT NULL,
  prompt INTEGER NOT NULL, cached INTEGER NOT NULL, generated INTEGER NOT NULL, PRIMARY KEY(tenant, request_id, branch)) STRICT;
CREATE TABLE usage_daily(
  tenant TEXT NOT NULL, key_id TEXT NOT NULL, model TEXT NOT NULL, day INTEGER NOT NULL,
  n_requests INTEGER NOT NULL, prompt INTEGER NOT NULL, cached INTEGER NOT NULL, generated INTEGER NOT NULL,
  cost_micros INTEGER NOT NULL, PRIMARY KEY(tenant, day, key_id, model)) STRICT;
CREATE INDEX usage_daily_day ON usage_daily(day);

CREATE TABLE audit(
  chain TEXT NOT NULL, seq INTEGER NOT NULL, at_us INTEGER NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL, target TEXT NOT NULL,
  details TEXT NOT NULL, previous BLOB NOT NULL, hash BLOB NOT NULL, PRIMARY KEY(chain, seq)) STRICT;
CREATE TABLE audit_heads(
  chain TEXT PRIMARY KEY, seq INTEGER NOT NULL, hash BLOB NOT NULL, mac BLOB NOT NULL,
  checkpoint_seq INTEGER NOT NULL, checkpoint_us INTEGER NOT NULL) STRICT;
CREATE TABLE audit_checkpoints(
  chain TEXT NOT NULL, seq INTEGER NOT NULL, at_us INTEGER NOT NULL, hash BLOB NOT NULL, previous_seq INTEGER NOT NULL,
  signature BLOB NOT NULL, PRIMARY KEY(chain, seq)) STRICT;

CREATE TABLE conversations(
  id TEXT PRIMARY KEY, tenant TEXT NOT NULL, user_id TEXT NOT NULL, title TEXT NOT NULL, pinned INTEGER NOT NULL,
  settings TEXT NOT NULL, n_messages INTEGER NOT NULL, created_us INTEGER NOT NULL, updated_us INTEGER NOT NULL) STRICT;
CREATE INDEX conversations_owner ON conversations(tenant, user_id, pinned, updated_us);
CREATE TABLE messages(
  id TEXT PRIMARY KEY, tenant TEXT NOT NULL, conversation TEXT NOT NULL, seq INTEGER NOT NULL, parent TEXT NOT NULL, role TEXT NOT NULL,
  content TEXT NOT NULL, model TEXT NOT NULL, usage TEXT NOT NULL, created_us INTEGER NOT NULL,
  UNIQUE(tenant, conversation, seq)) STRICT;
CREATE TABLE feedback(
  id TEXT PRIMARY KEY, tenant TEXT NOT NULL, user_id TEXT NOT NULL, message TEXT NOT NULL, request_id TEXT NOT NULL,
  thumb INTEGER NOT NULL, reason TEXT NOT NULL, correction TEXT NOT NULL, consent INTEGER NOT NULL, created_us INTEGER NOT NULL,
  UNIQUE(tenant, user_id, message, request_id)) STRICT;
CREATE INDEX feedback_created ON feedback(tenant, created_us);
)sql";

// The audit log is append-only for everyone who goes through SQL; whoever edits the file is found by the hash chain.
constexpr const char* kFirstTriggers = R"sql(
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_checkpoints_no_update BEFORE UPDATE ON audit_checkpoints
  BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_checkpoints_no_delete BEFORE DELETE ON audit_checkpoints
  BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
)sql";

constexpr const char* kFirstTriggersPostgres = R"sql(
CREATE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$;
CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON audit EXECUTE FUNCTION audit_append_only();
CREATE TRIGGER audit_checkpoints_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_checkpoints EXECUTE FUNCTION audit_append_only();
)sql";

// Processes that share one database and its limits, each with the wall clock of its last sign of life.
constexpr const char* kReplicas = "CREATE TABLE replicas(id TEXT PRIMARY KEY, seen_us INTEGER NOT NULL) STRICT;";

// What a run of agents did; goes with its message.
constexpr const char* kRunLedgers =
    "CREATE TABLE run_ledgers(message TEXT PRIMARY KEY, tenant TEXT NOT NULL, ledger TEXT NOT NULL, created_us INTEGER NOT NULL) STRICT;";

// Variants and what became of them. A rollout's counts and an answer's variant are written with the usage of the answer; a person is a
// unit of a rollout at most once.
constexpr const char* kReleases = R"sql(
CREATE TABLE variants(
  name TEXT NOT NULL, number INTEGER NOT NULL, digest TEXT NOT NULL, spec TEXT NOT NULL, created_us INTEGER NOT NULL,
  created_by TEXT NOT NULL, dataset TEXT NOT NULL, report TEXT NOT NULL, note TEXT NOT NULL, PRIMARY KEY(name, number),
  UNIQUE(name, digest)) STRICT;
CREATE TABLE release_aliases(
  name TEXT NOT NULL, alias TEXT NOT NULL, digest TEXT NOT NULL, version INTEGER NOT NULL, PRIMARY KEY(name, alias)) STRICT;
CREATE TABLE release_alias_log(
  name TEXT NOT NULL, seq INTEGER NOT NULL, alias TEXT NOT NULL, digest TEXT NOT NULL, at_us INTEGER NOT NULL, actor TEXT NOT NULL,
  reason TEXT NOT NULL, PRIMARY KEY(name, seq)) STRICT;
CREATE TABLE rollouts(
  id TEXT PRIMARY KEY, name TEXT NOT NULL, plan TEXT NOT NULL, champion TEXT NOT NULL, candidate TEXT NOT NULL, suites TEXT NOT NULL,
  state TEXT NOT NULL, is_over INTEGER NOT NULL, version INTEGER NOT NULL, created_us INTEGER NOT NULL, updated_us INTEGER NOT NULL) STRICT;
CREATE INDEX rollouts_name ON rollouts(name, created_us);
CREATE INDEX rollouts_over ON rollouts(is_over);
CREATE TABLE rollout_events(
  rollout TEXT NOT NULL, seq INTEGER NOT NULL, at_us INTEGER NOT NULL, kind TEXT NOT NULL, surface TEXT NOT NULL, text TEXT NOT NULL,
  PRIMARY KEY(rollout, seq)) STRICT;
CREATE TABLE rollout_counts(
  rollout TEXT NOT NULL, surface TEXT NOT NULL, arm INTEGER NOT NULL, metric TEXT NOT NULL, n INTEGER NOT NULL, n_bad INTEGER NOT NULL,
  PRIMARY KEY(rollout, surface, arm, metric)) STRICT;
CREATE TABLE rollout_units(rollout TEXT NOT NULL, unit TEXT NOT NULL, PRIMARY KEY(rollout, unit)) STRICT;
CREATE TABLE answered_by(
  tenant TEXT NOT NULL, request_id TEXT NOT NULL, message TEXT NOT NULL, variant TEXT NOT NULL, rollout TEXT NOT NULL,
  surface TEXT NOT NULL, unit TEXT NOT NULL, candidate INTEGER NOT NULL, rated INTEGER NOT NULL, at_us INTEGER NOT NULL,
  PRIMARY KEY(tenant, request_id)) STRICT;
CREATE INDEX answered_by_message ON answered_by(tenant, message);
CREATE INDEX answered_by_at ON answered_by(at_us);
CREATE TABLE variant_hours(
  variant TEXT NOT NULL, surface TEXT NOT NULL, tenant TEXT NOT NULL, hour INTEGER NOT NULL, metric TEXT NOT NULL, value INTEGER NOT NULL,
  PRIMARY KEY(variant, surface, tenant, hour, metric)) STRICT;
CREATE INDEX variant_hours_hour ON variant_hours(hour);
)sql";

// Files that clients keep here, in pieces; one that is not ready is being written. A batch is a file of requests that run by and by: the
// answers of its lines are kept until they become its result file. Finished answers of /v1/responses, with the conversation so far.
constexpr const char* kPartnerRecords = R"sql(
CREATE TABLE files(
  id TEXT PRIMARY KEY, tenant TEXT NOT NULL, purpose TEXT NOT NULL, filename TEXT NOT NULL, n_bytes INTEGER NOT NULL, ready INTEGER NOT NULL,
  created_us INTEGER NOT NULL, expires_us INTEGER NOT NULL) STRICT;
CREATE INDEX files_tenant ON files(tenant, created_us, id);
CREATE INDEX files_expires ON files(expires_us);
CREATE TABLE file_pieces(file TEXT NOT NULL, seq INTEGER NOT NULL, piece BLOB NOT NULL, PRIMARY KEY(file, seq)) STRICT;
CREATE TABLE batches(
  id TEXT PRIMARY KEY, tenant TEXT NOT NULL, key_id TEXT NOT NULL, endpoint TEXT NOT NULL, state TEXT NOT NULL, input_file TEXT NOT NULL,
  output_file TEXT NOT NULL, error_file TEXT NOT NULL, metadata TEXT NOT NULL, problems TEXT NOT NULL, times TEXT NOT NULL,
  n_total INTEGER NOT NULL, n_completed INTEGER NOT NULL, n_failed INTEGER NOT NULL, created_us INTEGER NOT NULL, expires_us INTEGER NOT NULL,
  active INTEGER NOT NULL, runner TEXT NOT NULL, runner_until_us INTEGER NOT NULL) STRICT;
CREATE INDEX batches_tenant ON batches(tenant, created_us, id);
CREATE INDEX batches_active ON batches(active, created_us);
CREATE TABLE batch_results(
  batch TEXT NOT NULL, line INTEGER NOT NULL, failed INTEGER NOT NULL, result TEXT NOT NULL, PRIMARY KEY(batch, line)) STRICT;
CREATE TABLE responses(
  tenant TEXT NOT NULL, id TEXT NOT NULL, response TEXT NOT NULL, messages TEXT NOT NULL, n_bytes INTEGER NOT NULL, created_us INTEGER NOT NULL,
  PRIMARY KEY(tenant, id)) STRICT;
CREATE INDEX responses_created ON responses(tenant, created_us);
)sql";

// Documents of tenants, and their passages for search.
constexpr const char* kDocuments = R"sql(
CREATE TABLE documents(
  id TEXT PRIMARY KEY, tenant TEXT NOT NULL, name TEXT NOT NULL, title TEXT NOT NULL, n_bytes INTEGER NOT NULL, n_passages INTEGER NOT NULL,
  created_us INTEGER NOT NULL) STRICT;
CREATE INDEX documents_tenant ON documents(tenant, created_us);
CREATE TABLE passages(
  id INTEGER PRIMARY KEY, tenant TEXT NOT NULL, document TEXT NOT NULL, number INTEGER NOT NULL, heading TEXT NOT NULL, content TEXT NOT NULL,
  n_words INTEGER NOT NULL) STRICT;
CREATE INDEX passages_document ON passages(tenant, document);
)sql";
constexpr const char* kDocumentsSqlite = "CREATE VIRTUAL TABLE passages_fts USING fts5(heading, content, tokenize = 'unicode61');";
constexpr const char* kDocumentsPostgres = "CREATE TABLE passages_fts(rowid BIGINT PRIMARY KEY, heading TEXT NOT NULL, content TEXT NOT NULL);";

// People's judgement of answers: queues, tasks, who holds which, labels.
constexpr const char* kLabels = R"sql(
CREATE TABLE label_queues(
  tenant TEXT NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL, title TEXT NOT NULL, guideline TEXT NOT NULL, rubric TEXT NOT NULL, tags TEXT NOT NULL,
  double_percent INTEGER NOT NULL, lease_s INTEGER NOT NULL, created_us INTEGER NOT NULL, PRIMARY KEY(tenant, name)) STRICT;
CREATE TABLE label_tasks(
  id TEXT PRIMARY KEY, tenant TEXT NOT NULL, queue TEXT NOT NULL, payload TEXT NOT NULL, disagreement_ppm INTEGER NOT NULL, gold TEXT NOT NULL,
  n_wanted INTEGER NOT NULL, n_done INTEGER NOT NULL, state TEXT NOT NULL, user_id TEXT NOT NULL, variant TEXT NOT NULL, prompt_digest TEXT NOT NULL,
  feedback TEXT NOT NULL, asked_us INTEGER NOT NULL, created_us INTEGER NOT NULL) STRICT;
CREATE INDEX label_tasks_order ON label_tasks(tenant, queue, state, disagreement_ppm);
CREATE TABLE label_leases(
  tenant TEXT NOT NULL, task TEXT NOT NULL, labeller TEXT NOT NULL, since_us INTEGER NOT NULL, until_us INTEGER NOT NULL, PRIMARY KEY(task, labeller)) STRICT;
CREATE TABLE labels(
  tenant TEXT NOT NULL, task TEXT NOT NULL, labeller TEXT NOT NULL, queue TEXT NOT NULL, value TEXT NOT NULL, skipped INTEGER NOT NULL, flagged INTEGER NOT NULL,
  started_us INTEGER NOT NULL, created_us INTEGER NOT NULL, PRIMARY KEY(task, labeller)) STRICT;
CREATE INDEX labels_of_queue ON labels(tenant, queue, created_us);
)sql";

// Tuning that clients asked for.
constexpr const char* kTuneJobs = R"sql(
CREATE TABLE tune_jobs(
  id TEXT PRIMARY KEY, tenant TEXT NOT NULL, key_id TEXT NOT NULL, state TEXT NOT NULL, model TEXT NOT NULL, suffix TEXT NOT NULL,
  training_file TEXT NOT NULL, result_file TEXT NOT NULL, settings TEXT NOT NULL, metadata TEXT NOT NULL, problem TEXT NOT NULL,
  adapter_name TEXT NOT NULL, adapter_digest TEXT NOT NULL, n_tokens INTEGER NOT NULL, created_us INTEGER NOT NULL, started_us INTEGER NOT NULL,
  finished_us INTEGER NOT NULL, active INTEGER NOT NULL, runner TEXT NOT NULL, runner_until_us INTEGER NOT NULL) STRICT;
CREATE INDEX tune_jobs_tenant ON tune_jobs(tenant, created_us, id);
CREATE INDEX tune_jobs_active ON tune_jobs(active, created_us);
CREATE TABLE tune_job_events(
  job TEXT NOT NULL, seq INTEGER NOT NULL, at_us INTEGER NOT NULL, level TEXT NOT NULL, text TEXT NOT NULL, data TEXT NOT NULL,
  PRIMARY KEY(job, seq)) STRICT;
)sql";

// What passages mean to a model: a direction for each, and which model's a document has whole. PostgreSQL finds words by its own index of
// the same words that the ranking counts; `search_kinds` says to programs which of the two is there.
constexpr const char* kPassageVectors = R"sql(
ALTER TABLE documents ADD COLUMN embedded_by TEXT NOT NULL DEFAULT '';
CREATE TABLE passage_vectors(
  passage INTEGER PRIMARY KEY, tenant TEXT NOT NULL, document TEXT NOT NULL, model TEXT NOT NULL, vector BLOB NOT NULL) STRICT;
CREATE INDEX passage_vectors_tenant ON passage_vectors(tenant, model, passage);
CREATE INDEX passage_vectors_document ON passage_vectors(document);
CREATE TABLE search_kinds(name TEXT PRIMARY KEY) STRICT;
)sql";
constexpr const char* kPassageVectorsSqlite = "INSERT INTO search_kinds(name) VALUES('fts5');";
constexpr const char* kPassageVectorsPostgres = R"sql(
INSERT INTO search_kinds(name) VALUES('tsvector');
DROP TABLE passages_fts;
CREATE TABLE passage_words(passage BIGINT PRIMARY KEY, tenant TEXT NOT NULL, words TSVECTOR NOT NULL);
CREATE INDEX passage_words_index ON passage_words USING GIN(words);
INSERT INTO passage_words(passage, tenant, words) SELECT id, tenant, to_tsvector('simple', heading || ' ' || content) FROM passages;
)sql";

// Alerts of monitoring, each beginning and each end.
constexpr const char* kMonitorAlerts = R"sql(
CREATE TABLE monitor_alerts(
  rule TEXT NOT NULL, variant TEXT NOT NULL, surface TEXT NOT NULL, tenant TEXT NOT NULL, at_us INTEGER NOT NULL, begins INTEGER NOT NULL,
  value_ppm INTEGER NOT NULL, n INTEGER NOT NULL, text TEXT NOT NULL, PRIMARY KEY(rule, variant, surface, tenant, at_us)) STRICT;
CREATE INDEX monitor_alerts_at ON monitor_alerts(at_us);
)sql";

// So that the answers that are kept of one person can be found.
constexpr const char* kResponseUsers = "ALTER TABLE responses ADD COLUMN user_id TEXT NOT NULL DEFAULT '';";

// Of two answers to one question, which one its reader took.
constexpr const char* kAnswerChoices = R"sql(
CREATE TABLE answer_choices(
  id TEXT PRIMARY KEY, tenant TEXT NOT NULL, user_id TEXT NOT NULL, chosen TEXT NOT NULL, rejected TEXT NOT NULL, tie INTEGER NOT NULL, consent INTEGER NOT NULL,
  created_us INTEGER NOT NULL, UNIQUE(tenant, user_id, chosen, rejected)) STRICT;
CREATE INDEX answer_choices_created ON answer_choices(tenant, created_us);
)sql";

constexpr std::array<Migration, 12> kMigrations = {{
    {1, "identity, usage, audit, conversations, feedback", kFirst, kFirstTriggers, kFirstTriggersPostgres},
    {2, "replicas", kReplicas, "", ""},
    {3, "ledgers of agents", kRunLedgers, "", ""},
    {4, "variants, aliases, rollouts", kReleases, "", ""},
    {5, "files, batches, responses", kPartnerRecords, "", ""},
    {6, "documents", kDocuments, kDocumentsSqlite, kDocumentsPostgres},
    {7, "label queues", kLabels, "", ""},
    {8, "fine-tuning jobs", kTuneJobs, "", ""},
    {9, "vectors of passages", kPassageVectors, kPassageVectorsSqlite, kPassageVectorsPostgres},
    {10, "alerts of monitoring", kMonitorAlerts, "", ""},
    {11, "whose responses", kResponseUsers, "", ""},
    {12, "choices between answers", kAnswerChoices, "", ""},
}};

void replace_all(std::string* text, std::string_view from, std::string_view to) {
  for (size_t at = text->find(from); at != std::string::npos; at = text->find(from, at + to.size())) text->replace(at, from.size(), to);
}

Status run_step(StoreConnection& db, const Migration& step, Database database) {
  if (database == Database::kSqlite) {
    FS_TRY_VOID(db.run_script(step.sql));
    FS_TRY_VOID(db.run_script(step.sqlite_only));
  } else {
    FS_TRY_VOID(db.run_script(postgres_dialect(step.sql).c_str()));
    FS_TRY_VOID(db.run_script(step.postgres_only));
  }
  FS_TRY_VOID(db.execute("INSERT INTO schema_version(version, name) VALUES($1, $2)", {step.version, std::string(step.name)}));
  return {};
}

Status run_steps(StoreConnection& db, Database database) {
  FS_TRY_VOID(db.run_script("CREATE TABLE IF NOT EXISTS schema_version(version BIGINT PRIMARY KEY, name TEXT NOT NULL)"));
  FS_TRY(const std::optional<Row> row, db.first("SELECT coalesce(max(version), 0) FROM schema_version", {}));
  const int64_t version = row->integer(0);
  const int64_t newest = kMigrations.back().version;
  if (version > newest) {
    return Error{ErrorCode::kUnsupported, "store: made by a newer program (schema " + std::to_string(version) + ", this one knows " + std::to_string(newest) + ")"};
  }
  for (const Migration& step : kMigrations) {
    if (step.version > version) FS_TRY_VOID(run_step(db, step, database));
  }
  return {};
}

}  // namespace

std::span<const Migration> migrations() { return kMigrations; }

std::string postgres_dialect(const char* sql) {
  std::string text = sql;
  replace_all(&text, " INTEGER", " BIGINT");
  replace_all(&text, " BLOB", " BYTEA");
  replace_all(&text, ") STRICT", ")");
  return text;
}

Status migrate(StoreConnection& db, Database database) {
  // All steps and the version table in one transaction: killed in between, nothing happened.
  FS_TRY_VOID(db.begin_write());
  Status status = run_steps(db, database);
  if (status.ok()) status = db.commit();
  if (!status.ok()) db.rollback();
  return status;
}

}  // namespace firesteel
