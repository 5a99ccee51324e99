#include "store/erase_user.h"

#include <array>
#include <optional>

namespace firesteel {
namespace {

struct Step {
  const char* kind;
  Sql sql;
};

// $1: tenant, $2: user. Order matters: what others are found by goes last.
constexpr std::array kSteps = {
    Step{"", "DELETE FROM rollout_units WHERE unit <> '' AND unit IN (SELECT unit FROM answered_by WHERE tenant = $1 AND (request_id IN (SELECT request_id FROM usage WHERE tenant = $1 AND user_id = $2) OR "
             "message IN (SELECT m.id FROM messages m JOIN conversations c ON c.id = m.conversation AND c.tenant = m.tenant WHERE c.tenant = $1 AND c.user_id = $2)))"},
    Step{"monitoring", "DELETE FROM answered_by WHERE tenant = $1 AND (request_id IN (SELECT request_id FROM usage WHERE tenant = $1 AND user_id = $2) OR "
                       "message IN (SELECT m.id FROM messages m JOIN conversations c ON c.id = m.conversation AND c.tenant = m.tenant WHERE c.tenant = $1 AND c.user_id = $2))"},
    Step{"labels", "DELETE FROM labels WHERE tenant = $1 AND task IN (SELECT id FROM label_tasks WHERE tenant = $1 AND user_id = $2)"},
    Step{"", "DELETE FROM label_leases WHERE tenant = $1 AND (labeller = $2 OR task IN (SELECT id FROM label_tasks WHERE tenant = $1 AND user_id = $2))"},
    Step{"label_tasks", "DELETE FROM label_tasks WHERE tenant = $1 AND user_id = $2"},
    Step{"feedback", "DELETE FROM feedback WHERE tenant = $1 AND (user_id = $2 OR "
                     "message IN (SELECT m.id FROM messages m JOIN conversations c ON c.id = m.conversation AND c.tenant = m.tenant WHERE c.tenant = $1 AND c.user_id = $2))"},
    Step{"choices", "DELETE FROM answer_choices WHERE tenant = $1 AND user_id = $2"},
    Step{"ledgers", "DELETE FROM run_ledgers WHERE tenant = $1 AND message IN (SELECT m.id FROM messages m JOIN conversations c ON c.id = m.conversation AND c.tenant = m.tenant WHERE c.tenant = $1 AND c.user_id = $2)"},
    Step{"messages", "DELETE FROM messages WHERE tenant = $1 AND conversation IN (SELECT id FROM conversations WHERE tenant = $1 AND user_id = $2)"},
    Step{"conversations", "DELETE FROM conversations WHERE tenant = $1 AND user_id = $2"},
    Step{"responses", "DELETE FROM responses WHERE tenant = $1 AND user_id = $2"},
    Step{"", "DELETE FROM file_pieces WHERE file IN (SELECT f.id FROM files f JOIN batches b ON b.tenant = f.tenant AND f.id IN (b.input_file, b.output_file, b.error_file) "
             "JOIN api_keys k ON k.id = b.key_id WHERE f.tenant = $1 AND k.tenant = $1 AND k.user_id = $2)"},
    Step{"", "DELETE FROM file_pieces WHERE file IN (SELECT f.id FROM files f JOIN tune_jobs j ON j.tenant = f.tenant AND f.id IN (j.training_file, j.result_file) "
             "JOIN api_keys k ON k.id = j.key_id WHERE f.tenant = $1 AND k.tenant = $1 AND k.user_id = $2)"},
    Step{"files", "DELETE FROM files WHERE tenant = $1 AND (id IN (SELECT f.id FROM files f JOIN batches b ON b.tenant = f.tenant AND f.id IN (b.input_file, b.output_file, b.error_file) "
                  "JOIN api_keys k ON k.id = b.key_id WHERE f.tenant = $1 AND k.tenant = $1 AND k.user_id = $2) OR id IN (SELECT f.id FROM files f JOIN tune_jobs j ON j.tenant = f.tenant AND "
                  "f.id IN (j.training_file, j.result_file) JOIN api_keys k ON k.id = j.key_id WHERE f.tenant = $1 AND k.tenant = $1 AND k.user_id = $2))"},
    Step{"", "DELETE FROM batch_results WHERE batch IN (SELECT b.id FROM batches b JOIN api_keys k ON k.id = b.key_id WHERE b.tenant = $1 AND k.tenant = $1 AND k.user_id = $2)"},
    Step{"batches", "DELETE FROM batches WHERE tenant = $1 AND key_id IN (SELECT id FROM api_keys WHERE tenant = $1 AND user_id = $2)"},
    Step{"", "DELETE FROM tune_job_events WHERE job IN (SELECT j.id FROM tune_jobs j JOIN api_keys k ON k.id = j.key_id WHERE j.tenant = $1 AND k.tenant = $1 AND k.user_id = $2)"},
    Step{"tuning_jobs", "DELETE FROM tune_jobs WHERE tenant = $1 AND key_id IN (SELECT id FROM api_keys WHERE tenant = $1 AND user_id = $2)"},
    // Their work as a labeller is not about them: it stays, under a name that is nobody's.
    Step{"labels_made", "UPDATE labels SET labeller = $3 WHERE tenant = $1 AND labeller = $2"},
    Step{"usage_names", "UPDATE usage SET user_id = '' WHERE tenant = $1 AND user_id = $2"},
};

}  // namespace

Result<ErasedRecords> erase_user_records(Store& store, const TenantId& tenant, const UserId& user, bool dry_run) {
  if (tenant.empty() || user.empty()) return Error{ErrorCode::kInvalidArgument, "erasure: expected a tenant and a user"};
  ErasedRecords out;
  bool counted = false;
  const std::string nobody = "erased-" + UserId::fresh().str();
  const Status status = store.write([&](Transaction& t) -> Status {
    out = {};
    FS_TRY_VOID(t.each("SELECT DISTINCT j.adapter_digest FROM tune_jobs j JOIN api_keys k ON k.id = j.key_id WHERE j.tenant = $1 AND k.tenant = $1 AND k.user_id = $2 AND j.adapter_digest <> ''",
                       {tenant.str(), user.str()}, [&](const Row& row) {
                         out.adapters.push_back(row.text(0));
                         return true;
                       }));
    for (const Step& step : kSteps) {
      Params params = {tenant.str(), user.str()};
      if (std::string_view(step.sql.text()).find("$3") != std::string_view::npos) params.emplace_back(nobody);
      FS_TRY(const int64_t n, t.execute(step.sql, params));
      if (step.kind[0] != '\0') out.rows.emplace_back(step.kind, n);
    }
    counted = true;
    // Undone as a whole: the counts are those of the real thing.
    if (dry_run) return Error{ErrorCode::kCancelled, "dry run"};
    return {};
  });
  if (!status.ok() && !(dry_run && counted && status.error().code == ErrorCode::kCancelled)) return status.error();
  return out;
}

Result<TenantId> tenant_of_user(Store& store, const UserId& user) {
  std::optional<Row> row;
  const Status status = store.read([&](Reader& reader) -> Status {
    FS_TRY(row, reader.first("SELECT tenant FROM users WHERE id = $1", {user.str()}));
    return {};
  });
  FS_TRY_VOID(status);
  return row ? TenantId::parse(row->text(0)).value_or(TenantId()) : TenantId();
}

}  // namespace firesteel
