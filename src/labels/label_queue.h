// Work for people who judge answers: queues of tasks with leases, gold items, a second opinion on a sample, and what came of it.
//
// Every operation takes the tenant, and every statement compares it. Both databases through the one store; a lease is taken in one transaction, so
// no place of a task has two holders. Times are Unix microseconds.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "labels/agreement.h"
#include "schema/ids.h"
#include "store/store.h"

namespace firesteel {

struct LabelTaskTag { static constexpr std::string_view kPrefix = "task_"; };
using LabelTaskId = RecordId<LabelTaskTag>;

struct LabelQueue {
  TenantId tenant = {};
  std::string name = {};        // 1 to 64 of a-z 0-9 - _
  std::string kind = "pairwise";  // pairwise, rubric, correction, tags, flag
  std::string title = {};       // "Which answer is better?"
  std::string guideline = {};
  Json rubric = Json::Array{};  // [{"name", "help"}], each scored 0..3
  Json tags = Json::Array{};    // words
  int64_t double_percent = 20;  // share of tasks that two people label
  int64_t lease_s = 900;
  int64_t created_us = 0;
};

struct LabelTask {
  LabelTaskId id = {};
  TenantId tenant = {};
  std::string queue = {};
  Json payload = {};            // {"prompt": text, "answers": [text, ...], "why": text}; answers: two for pairwise, one otherwise
  double disagreement = 0;      // 0..1, how much the votes or labels differed: larger comes first
  std::string gold = {};        // JSON value of the right label; empty: not a gold item
  int64_t n_wanted = 1, n_done = 0;
  std::string state = "open";   // open, done, flagged
  std::string user = {}, variant = {}, prompt_digest = {}, feedback = {};  // lineage of what is judged
  int64_t asked_us = 0, created_us = 0;
};

struct Label {
  LabelTaskId task = {};
  std::string labeller = {};    // key or user id
  Json value = {};              // see check_label()
  int64_t started_us = 0, created_us = 0;
};

struct Assignment {
  LabelTask task = {};
  int64_t lease_until_us = 0;
  bool swapped = false;         // answers are to be shown in the other order; `choice` is stored in the task's own
};

struct QueueCounts {
  LabelQueue queue = {};
  int64_t n_open = 0, n_done = 0, n_flagged = 0;
};

struct LabellerStats {
  std::string labeller = {};
  int64_t n_labels = 0, n_gold = 0, n_gold_right = 0;
  int64_t n_shared = 0, n_differs = 0;  // tasks that somebody else labelled, too, and where the choice differs
  double median_s = 0;                  // per label
  double per_hour = 0;                  // 3600 / mean seconds
  bool too_fast = false;                // median below a quarter of everybody's: look at these labels
};

struct QueueStats {
  std::optional<double> alpha = {};     // ordinal for pairwise choices, nominal otherwise
  std::optional<Interval> interval = {};
  int64_t n_double = 0;                 // tasks with at least two labels
  std::vector<LabellerStats> labellers = {};
};

// What a label may hold for a queue of this kind: "choice" 1..5 (pairwise: A much better .. B much better), "scores" {"A": {criterion: 0..3}, "B": ...},
// "correction" text, "tags" words of the queue, "flag" reason, "skip" true. kInvalidArgument names the member.
Status check_label(const LabelQueue& queue, const Json& value);

class LabelQueues {
 public:
  explicit LabelQueues(Store& store) : store_(store) {}

  // Makes it or changes everything but its kind. kInvalidArgument, kFailedPrecondition (another kind).
  Result<LabelQueue> put_queue(LabelQueue queue, int64_t now_us);
  Result<LabelQueue> queue(const TenantId& tenant, const std::string& name);
  Result<std::vector<QueueCounts>> queues(const TenantId& tenant);

  // n_wanted becomes 2 for the queue's share of tasks (chosen by hash of the id) and for gold items stays what it was. At most 1,000 a call; all or none.
  Result<int64_t> add_tasks(const TenantId& tenant, const std::string& queue, std::vector<LabelTask> tasks, int64_t now_us);

  // The task that this labeller holds, else the open one with most disagreement that they have not labelled and whose places are not all taken; nullopt: nothing to do.
  Result<std::optional<Assignment>> next(const TenantId& tenant, const std::string& queue, const std::string& labeller, int64_t now_us);
  // kFailedPrecondition when the lease ended and another holds the place. A "skip" gives the task back and it does not come to this labeller again.
  // For gold items the right label is in the answer. Same label twice: the second replaces the first.
  struct Submitted {
    std::string gold = {};
    bool right = false;
  };
  Result<Submitted> submit(const TenantId& tenant, const LabelTaskId& task, const std::string& labeller, const Json& value, int64_t now_us);
  // Takes this labeller's last label of the queue back and gives them the task again. kNotFound when there is none within the last ten minutes.
  Result<LabelTaskId> undo(const TenantId& tenant, const std::string& queue, const std::string& labeller, int64_t now_us);

  Result<QueueStats> stats(const TenantId& tenant, const std::string& queue);
  struct Judged {
    LabelTask task = {};
    std::vector<Label> labels = {};
  };
  Result<std::vector<Judged>> judged(const TenantId& tenant, const std::string& queue);  // tasks with a label that is no skip, in the order of ids; gold items left out

  // Every task about what this user said, with its labels. Returns how many.
  Result<int64_t> erase_user(const TenantId& tenant, const std::string& user);

 private:
  Store& store_;
};

// True when the two answers change sides for this labeller: stable, and even over many.
bool sides_swapped(const LabelTaskId& task, const std::string& labeller);

}  // namespace firesteel
