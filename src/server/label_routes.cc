// The console's labelling routes (docs/labelling.md): queues, the next task, a label, undo, how it goes, import and export. All need the scope
// admin, act in the caller's own tenant, and what changes more than one's own labels is audited.
#include <utility>

#include "base/clock.h"
#include "labels/collect.h"
#include "labels/exchange.h"
#include "labels/label_queue.h"
#include "server/admin_routes.h"
#include "server/own_api.h"

namespace firesteel {
namespace {

int64_t now_us() { return wall_clock().now_us(); }

// Who labels: the person that the key belongs to, else the key.
std::string labeller_of(const Call& call) { return call.principal->user.empty() ? call.principal->key.str() : call.principal->user.str(); }

HttpResponse failed(const Call& call, const Error& error) {
  if (error.code == ErrorCode::kNotFound) return not_found(call);
  if (error.code == ErrorCode::kFailedPrecondition) return own_error(call, {.kind = ApiErrorKind::kConflict, .message = error.message, .code = "conflict"});
  return own_error(call, own_api_error(error));
}

HttpResponse answer(const Json& json, int status = 200) { return json_response(status, json.dump()); }

Status audit(ServerContext* context, const Call& call, const char* action, const std::string& queue, const Json& details) {
  return context->tenants.audit(call.principal->tenant, {.name = call.principal->key.str()}, action, queue, details.dump());
}

Json queue_json(const QueueCounts& counts) {
  const LabelQueue& queue = counts.queue;
  return Json::Object{{"name", queue.name}, {"kind", queue.kind}, {"title", queue.title}, {"guideline", queue.guideline}, {"rubric", queue.rubric}, {"tags", queue.tags},
                      {"double_percent", queue.double_percent}, {"lease_s", queue.lease_s}, {"open", counts.n_open}, {"done", counts.n_done}, {"flagged", counts.n_flagged}};
}

HttpReply list(ServerContext* context, Call& call) {
  const auto queues = LabelQueues(context->store).queues(call.principal->tenant);
  if (!queues.ok()) return failed(call, queues.error());
  Json::Array data;
  for (const QueueCounts& counts : *queues) data.push_back(queue_json(counts));
  return answer(Json::Object{{"data", std::move(data)}});
}

Result<LabelQueue> read_queue(const Call& call, const Json& body) {
  LabelQueue queue;
  queue.tenant = call.principal->tenant;
  queue.name = call.request.path_parameters.at(0);
  FS_TRY(const auto kind, string_field(body, "kind", 16));
  FS_TRY(const auto title, string_field(body, "title", 200));
  FS_TRY(const auto guideline, string_field(body, "guideline", 16u << 10));
  FS_TRY(const auto twice, int_field(body, "double_percent", 0, 100));
  FS_TRY(const auto lease_s, int_field(body, "lease_s", 10, 86'400));
  queue.kind = kind.value_or(queue.kind);
  queue.title = title.value_or("");
  queue.guideline = guideline.value_or("");
  queue.double_percent = twice.value_or(queue.double_percent);
  queue.lease_s = lease_s.value_or(queue.lease_s);
  if (const Json* const rubric = body.find("rubric"); rubric != nullptr && !rubric->is_null()) queue.rubric = *rubric;
  if (const Json* const tags = body.find("tags"); tags != nullptr && !tags->is_null()) queue.tags = *tags;
  return queue;
}

HttpReply put_queue(ServerContext* context, Call& call) {
  const Result<Json> body = read_json_body(call);
  if (!body.ok()) return failed(call, body.error());
  const Result<LabelQueue> queue = read_queue(call, *body);
  if (!queue.ok()) return failed(call, queue.error());
  const auto made = LabelQueues(context->store).put_queue(*queue, now_us());
  if (!made.ok()) return failed(call, made.error());
  const Status audited = audit(context, call, "label.queue", made->name, Json::Object{{"kind", made->kind}});
  if (!audited.ok()) return failed(call, audited.error());
  return answer(queue_json({*made, 0, 0, 0}));
}

HttpReply next(ServerContext* context, Call& call) {
  const auto found = LabelQueues(context->store).next(call.principal->tenant, call.request.path_parameters.at(0), labeller_of(call), now_us());
  if (!found.ok()) return failed(call, found.error());
  if (!*found) return answer(Json::Object{{"task", Json()}});
  const LabelTask& task = (*found)->task;
  // No variant, no gold: the labeller judges blind.
  Json answers = task.payload.find("answers") != nullptr ? *task.payload.find("answers") : Json(Json::Array{});
  if ((*found)->swapped && answers.is_array() && answers.as_array().size() == 2) std::swap(answers.as_array()[0], answers.as_array()[1]);
  const auto text = [&](const char* name) { return task.payload.find(name) != nullptr ? *task.payload.find(name) : Json(""); };
  return answer(Json::Object{{"task", Json::Object{{"id", task.id.str()}, {"queue", task.queue}, {"prompt", text("prompt")}, {"answers", std::move(answers)}, {"why", text("why")},
                                                   {"disagreement", task.disagreement}, {"asked_at", time_or_null(task.asked_us)}, {"lease_until", ms_of((*found)->lease_until_us)}}}});
}

// The page shows sides as they came from next(); here they become the task's own again.
void turn_sides(Json* value) {
  if (const Json* const choice = value->find("choice"); choice != nullptr && choice->is_int()) value->set("choice", 6 - choice->as_int());
  if (const Json* const scores = value->find("scores"); scores != nullptr && scores->is_object()) {
    Json turned{Json::Object{}};
    for (const auto& [side, list] : scores->as_object()) turned.set(side == "A" ? "B" : side == "B" ? "A" : side, list);
    value->set("scores", std::move(turned));
  }
}

HttpReply submit(ServerContext* context, Call& call) {
  const auto id = LabelTaskId::parse(call.request.path_parameters.at(0));
  if (!id) return not_found(call);
  Result<Json> body = read_json_body(call);
  if (!body.ok()) return failed(call, body.error());
  const std::string labeller = labeller_of(call);
  const bool swapped = body->find("choice") != nullptr && sides_swapped(*id, labeller);
  if (swapped) turn_sides(&*body);
  const auto done = LabelQueues(context->store).submit(call.principal->tenant, *id, labeller, *body, now_us());
  if (!done.ok()) return failed(call, done.error());
  Json out{Json::Object{}};
  if (!done->gold.empty()) {
    auto gold = Json::parse(done->gold);
    if (gold.ok() && swapped) turn_sides(&*gold);
    out.set("gold", gold.ok() ? std::move(gold).value() : Json());
    out.set("right", done->right);
  }
  return answer(out);
}

HttpReply undo(ServerContext* context, Call& call) {
  const auto undone = LabelQueues(context->store).undo(call.principal->tenant, call.request.path_parameters.at(0), labeller_of(call), now_us());
  if (!undone.ok()) return failed(call, undone.error());
  return answer(Json::Object{{"task", undone->str()}});
}

HttpReply stats(ServerContext* context, Call& call) {
  const auto found = LabelQueues(context->store).stats(call.principal->tenant, call.request.path_parameters.at(0));
  if (!found.ok()) return failed(call, found.error());
  Json::Array labellers;
  const std::string me = labeller_of(call);
  for (const LabellerStats& one : found->labellers) {
    labellers.push_back(Json::Object{{"labeller", one.labeller}, {"me", one.labeller == me}, {"labels", one.n_labels}, {"gold", one.n_gold}, {"gold_right", one.n_gold_right}, {"shared", one.n_shared},
                                     {"differs", one.n_differs}, {"median_s", one.median_s}, {"per_hour", one.per_hour}, {"too_fast", one.too_fast}});
  }
  return answer(Json::Object{{"alpha", found->alpha ? Json(*found->alpha) : Json()},
                             {"alpha_low", found->interval ? Json(found->interval->low) : Json()}, {"alpha_high", found->interval ? Json(found->interval->high) : Json()},
                             {"double", found->n_double}, {"labellers", std::move(labellers)}});
}

HttpReply collect(ServerContext* context, Call& call) {
  LabelQueues queues(context->store);
  const std::string& name = call.request.path_parameters.at(0);
  const auto queue = queues.queue(call.principal->tenant, name);
  if (!queue.ok()) return failed(call, queue.error());
  const auto tasks = collect_tasks(context->store, call.principal->tenant, queue->kind, 1000);
  if (!tasks.ok()) return failed(call, tasks.error());
  const auto added = queues.add_tasks(call.principal->tenant, name, *tasks, now_us());
  if (!added.ok()) return failed(call, added.error());
  const Status audited = audit(context, call, "label.collect", name, Json::Object{{"tasks", *added}});
  if (!audited.ok()) return failed(call, audited.error());
  return answer(Json::Object{{"tasks", *added}});
}

HttpReply export_queue(ServerContext* context, Call& call) {
  LabelQueues queues(context->store);
  const std::string& name = call.request.path_parameters.at(0);
  const auto queue = queues.queue(call.principal->tenant, name);
  if (!queue.ok()) return failed(call, queue.error());
  const auto judged = queues.judged(call.principal->tenant, name);
  if (!judged.ok()) return failed(call, judged.error());
  const std::string format = text_query(call.request, "format");
  const auto text = export_labels(format.empty() ? "pairs" : format, *queue, *judged);
  if (!text.ok()) return failed(call, text.error());
  const Status audited = audit(context, call, "label.export", name, Json::Object{{"format", format}, {"tasks", static_cast<int64_t>(judged->size())}});
  if (!audited.ok()) return failed(call, audited.error());
  HttpResponse response = json_response(200, *text);
  return response;
}

}  // namespace

void add_label_routes(ServerContext* context, Router* router) {
  add_admin_route(context, router, HttpMethod::kGet, "labels", "labels.list", list);
  add_admin_route(context, router, HttpMethod::kPut, "labels/{}", "labels.queue", put_queue);
  add_admin_route(context, router, HttpMethod::kPost, "labels/{}/next", "labels.next", next);
  add_admin_route(context, router, HttpMethod::kPost, "labels/{}/undo", "labels.undo", undo);
  add_admin_route(context, router, HttpMethod::kGet, "labels/{}/stats", "labels.stats", stats);
  add_admin_route(context, router, HttpMethod::kPost, "labels/{}/collect", "labels.collect", collect);
  add_admin_route(context, router, HttpMethod::kGet, "labels/{}/export", "labels.export", export_queue);
  add_admin_route(context, router, HttpMethod::kPost, "label-tasks/{}", "labels.submit", submit);
}

}  // namespace firesteel
