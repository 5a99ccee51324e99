#include "loop_demo.h"

#include <atomic>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <thread>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/mapped_file.h"
#include "base/mutex.h"
#include "eval/suite.h"
#include "eval_solver.h"
#include "loop_world.h"

namespace firesteel {
namespace {

constexpr const char* kName = "helper";
constexpr int kParallel = 4;
// What people ask beside their problems (the visitors' "chatter"); its answer has 86 tokens, which 120 leave whole and the last bad variant's limit cuts.
constexpr const char* kSmallTalk = "What do you not know?";

std::string quoted(const std::string& word) {
  return word.find_first_of(" \"'$;&|<>") == std::string::npos && !word.empty() ? word : "'" + word + "'";
}

std::string text_of(const Json* json) { return json != nullptr && json->is_string() ? json->as_string() : std::string(); }

// The answer's text of an OpenAI chat completion.
std::string answer_text(const Json& body) {
  const Json* choices = body.find("choices");
  if (choices == nullptr || !choices->is_array() || choices->as_array().empty()) return {};
  const Json* message = choices->as_array().front().find("message");
  return message == nullptr ? std::string() : text_of(message->find("content"));
}

std::string finish_of(const Json& body) {
  const Json* choices = body.find("choices");
  return choices == nullptr || !choices->is_array() || choices->as_array().empty() ? std::string() : text_of(choices->as_array().front().find("finish_reason"));
}

class Demo {
 public:
  explicit Demo(const DemoOptions& options) : options_(options), state_(options.folder + "/state") {}

  Status run() {
    begin_us_ = system_clock().now_us();
    FS_TRY_VOID(prepare());
    FS_TRY_VOID(people_rate());
    FS_TRY_VOID(make_candidate());
    FS_TRY_VOID(sealed_evaluation());
    FS_TRY_VOID(canary_and_promotion());
    FS_TRY_VOID(bad_variant_at_the_gate());
    FS_TRY_VOID(bad_variant_in_the_canary());
    return finish();
  }
  // Also after a failed step.
  Status finish() {
    step("What happened");
    for (const std::string& line : outcome_) say(line);
    say(fmt::format("all of it took {:.0f} s; the audit log: firesteel audit verify --state-dir {}", static_cast<double>(system_clock().now_us() - begin_us_) * 1e-6, state_));
    std::string report = "# The improvement loop, once\n\n" + report_;
    return write_file_atomic(options_.folder + "/report.md", report);
  }

 private:
  void say(const std::string& text) {
    fmt::print("   {}\n", text);
    std::fflush(stdout);
    report_ += text + "\n\n";
  }
  void step(const std::string& title) {
    ++n_steps_;
    fmt::print("{}. {}  [{:.0f} s]\n", n_steps_, title, static_cast<double>(system_clock().now_us() - begin_us_) * 1e-6);
    std::fflush(stdout);
    report_ += fmt::format("## {}. {}\n\n", n_steps_, title);
  }

  // Runs a command as a person would, shows it, and returns what it printed.
  Result<std::string> command(const std::vector<std::string>& words, bool may_fail = false) {
    std::string line = "firesteel";
    for (const std::string& word : words) line += " " + quoted(word);
    fmt::print("   $ {}\n", line);
    std::fflush(stdout);
    report_ += "    $ " + line + "\n\n";
    FS_TRY(const ChildOutput output, run_self(words));
    if (output.exit_code != 0 && !may_fail) return Error{ErrorCode::kInternal, line + " ended with " + std::to_string(output.exit_code) + ": " + output.err + output.out};
    return output.out;
  }
  Result<Json> command_json(std::vector<std::string> words) {
    words.emplace_back("--json");
    FS_TRY(const std::string out, command(words));
    auto json = Json::parse(out);
    if (!json.ok()) return Error{ErrorCode::kInternal, words.front() + ": its --json cannot be read: " + json.error().message};
    return json;
  }
  std::vector<std::string> with_state(std::vector<std::string> words) const {
    words.insert(words.end(), {"--state-dir", state_});
    return words;
  }

  Status prepare() {
    step("The model as it is becomes the champion");
    std::error_code error;
    if (std::filesystem::exists(options_.folder + "/report.md", error) || std::filesystem::exists(state_, error)) {
      return Error{ErrorCode::kFailedPrecondition, options_.folder + ": holds an earlier demonstration; name another folder"};
    }
    std::filesystem::create_directories(options_.folder + "/suite", error);
    if (error) return Error{ErrorCode::kIo, options_.folder + ": " + error.message()};
    tunes_ = options_.tune;
    wish_ = tunes_ ? Wish::kBareNumber : Wish::kRightNumber;
    FS_TRY_VOID(command(with_state({"release", "create", kName, "--set", "thinking=false", "--set", "max_tokens=120", "--note", "as shipped"})));
    // Problems that people bring, and others for the suite: drawn from different seeds of the part that training never saw.
    SuiteSource source;
    source.kind = SuiteSource::Kind::kSynth;
    source.kinds = {{"math", 1.0}};
    source.seed = 7001 + options_.seed;
    source.count = 600;
    const SuiteInputs inputs = make_suite_inputs("");
    FS_TRY(problems_, inputs.synthesise(source));
    source.seed = 9001 + options_.seed;
    source.count = options_.n_suite;
    FS_TRY(const std::vector<EvalItem> suite, inputs.synthesise(source));
    std::erase_if(problems_, [](const EvalItem& item) { return item.messages.size() != 1; });
    if (problems_.size() < 50) return Error{ErrorCode::kInternal, "too few problems"};
    FS_TRY_VOID(write_suite(suite));
    FS_TRY(ServedSelf served, ServedSelf::start(state_, options_.folder + "/serve.log"));
    server_ = std::make_unique<ServedSelf>(std::move(served));
    say(fmt::format("the server answers at http://127.0.0.1:{}, its console at /admin/releases (key: {}/admin.key)", server_->port(), state_));
    return {};
  }

  Status write_suite(const std::vector<EvalItem>& items) {
    std::string lines;
    for (const EvalItem& item : items) {
      Json::Array messages, answers;
      for (const SampleMessage& message : item.messages) messages.push_back(Json::Object{{"role", message.role}, {"content", message.text}});
      for (const std::string& answer : item.grading.answers) answers.emplace_back(answer);
      Json line(Json::Object{{"id", item.id}, {"messages", std::move(messages)}});
      if (wish_ == Wish::kBareNumber) {
        line.set("answer", "-?[0-9][0-9.,]*");
        line.set("grader", "regex");
      } else {
        line.set("answer", std::move(answers));
        Json grader(Json::Object{{"kind", grading_kind_name(item.grading.kind)}});
        if (!item.grading.unit.empty()) grader.set("unit", item.grading.unit);
        line.set("grader", std::move(grader));
      }
      Json slices(Json::Object{});
      for (const auto& [name, value] : item.slices) slices.set(name, value);
      line.set("slices", std::move(slices));
      lines += line.dump() + "\n";
    }
    FS_TRY_VOID(write_file_atomic(options_.folder + "/suite/items.jsonl", lines));
    return write_file_atomic(options_.folder + "/suite/suite.toml", "name = \"helper/wishes\"\ntitle = \"What the people of the demonstration wish for\"\nmode = \"instant\"\nmax_tokens = 64\n");
  }

  struct Seen {
    const EvalItem* item = nullptr;
    std::string answer, request_id, variant;
    bool liked = false, rated = false;
  };

  // One person asks one question and perhaps rates the answer. Bored people press the wrong thumb one time in twenty.
  Result<Seen> one_visit(uint64_t visit, double chance_to_rate, bool chatter) {
    Rng rng(options_.seed * 1'000'003 + visit);
    const uint64_t person = rng.below(static_cast<uint64_t>(options_.n_people));
    Seen seen;
    seen.item = &problems_[rng.below(problems_.size())];
    const bool talk = chatter && rng.uniform() < 0.4;   // about something else, where the answer is longer
    const std::string question = talk ? kSmallTalk : seen.item->messages.front().text;
    const Json body(Json::Object{{"model", kName}, {"user", "person " + std::to_string(person)}, {"seed", static_cast<int64_t>(visit)},
                                 {"messages", Json::Array{Json::Object{{"role", "user"}, {"content", question}}}}});
    FS_TRY(const ServedSelf::Answer answer, server_->ask("POST", "/v1/chat/completions", body));
    if (answer.status != 200) return Error{ErrorCode::kUnavailable, fmt::format("the server said {}: {}", answer.status, answer.body.dump().substr(0, 200))};
    seen.answer = answer_text(answer.body);
    seen.request_id = answer.request_id;
    seen.variant = answer.variant.substr(0, answer.variant.find(' '));
    const bool good = talk ? finish_of(answer.body) == "stop" : fulfils(wish_, *seen.item, seen.answer);
    seen.liked = rng.uniform() < 0.05 ? !good : good;
    seen.rated = rng.uniform() < chance_to_rate;
    if (seen.rated) {
      Json rating(Json::Object{{"thumb", seen.liked ? "up" : "down"}});
      if (!seen.liked && !talk) rating.set("correction", correction_of(wish_, *seen.item, seen.answer));
      FS_TRY(const ServedSelf::Answer stored, server_->ask("PUT", "/firesteel/v1/requests/" + seen.request_id + "/feedback", rating));
      if (stored.status != 200) return Error{ErrorCode::kUnavailable, fmt::format("a rating was refused with {}: {}", stored.status, stored.body.dump().substr(0, 200))};
    }
    if (talk) seen.item = nullptr;
    return seen;
  }

  // Visits first_visit .. + n, a few at a time, until `stop` says so after a round.
  Status visits(int64_t n, double chance_to_rate, bool chatter, const std::function<bool(int64_t n_done)>& stop, std::vector<Seen>* all) {
    for (int64_t done = 0; done < n;) {
      const int64_t round = std::min<int64_t>(40, n - done);
      std::atomic<int64_t> next{0};
      Mutex mutex;
      Status status;
      const auto work = [&] {
        for (int64_t i = next++; i < round; i = next++) {
          Result<Seen> seen = one_visit(n_visits_ + static_cast<uint64_t>(i), chance_to_rate, chatter);
          MutexLock lock(mutex);
          if (!seen.ok()) {
            if (status.ok()) status = seen.error();
            return;
          }
          if (all != nullptr) all->push_back(std::move(*seen));
        }
      };
      std::vector<std::thread> threads;
      for (int t = 0; t < kParallel; ++t) threads.emplace_back(work);
      for (std::thread& thread : threads) thread.join();
      FS_TRY_VOID(std::move(status));
      n_visits_ += static_cast<uint64_t>(round);
      done += round;
      if (stop && stop(done)) return {};
    }
    return {};
  }

  Status people_rate() {
    step(wish_ == Wish::kBareNumber ? "People use it, and wish for a number without words behind it" : "People use it, and wish for the right number");
    std::vector<Seen> seen;
    FS_TRY_VOID(visits(options_.n_ratings, 1.0, /*chatter=*/false, {}, &seen));
    int64_t n_liked = 0, n_pairs = 0;
    std::string pairs;
    for (const Seen& one : seen) {
      n_liked += one.liked ? 1 : 0;
      const std::string better = correction_of(wish_, *one.item, one.answer);
      if (one.liked || better.empty() || better == one.answer) continue;
      ++n_pairs;
      pairs += Json(Json::Object{{"prompt", Json::Array{Json::Object{{"role", "user"}, {"content", one.item->messages.front().text}}}},
                                 {"chosen", better}, {"rejected", one.answer}, {"request_id", one.request_id}}).dump() + "\n";
    }
    FS_TRY_VOID(write_file_atomic(pairs_path(), pairs));
    say(fmt::format("{} answers rated: {} thumbs up, {} down; {} corrections become pairs in {}", seen.size(), n_liked, static_cast<int64_t>(seen.size()) - n_liked, n_pairs, pairs_path()));
    outcome_.push_back(fmt::format("before: {} of {} answers were liked", n_liked, seen.size()));
    return label_queue();
  }
  std::string pairs_path() const { return options_.folder + "/pairs.jsonl"; }

  // The same pairs as work for whoever looks at the console; a tenth of them for two people each.
  Status label_queue() {
    FS_TRY_VOID(command(with_state({"label", "create", "wishes", "--kind", "pairwise", "--title", "Which answer is what they wished for?", "--double", "10"})));
    FS_TRY_VOID(command(with_state({"label", "import", "wishes", pairs_path(), "--format", "pairs"})));
    say("people can say in the console, at /admin/labels, which answer of each pair is better");
    return {};
  }

  // The folder of the cleaned version; *version: "wishes@1a2b3c4d5e6f".
  Result<std::string> dataset(std::string* version) {
    step("A dataset of the corrections: cleaned, without repetitions, and without the sealed suite's items");
    FS_TRY_VOID(command(with_state({"data", "ingest", pairs_path(), "--name", "wishes"})));
    FS_TRY_VOID(command(with_state({"data", "prepare", "wishes", "--suite", options_.folder + "/suite/suite.toml"})));
    FS_TRY(const Json versions, command_json(with_state({"data", "versions"})));
    const Json* const list = versions.find("versions");
    for (const Json& one : list != nullptr && list->is_array() ? list->as_array() : Json::Array{}) {
      if (text_of(one.find("state")) != "current") continue;
      *version = "wishes@" + text_of(one.find("digest")).substr(0, 12);
      const Json* const n_rows = one.find("rows");
      say(fmt::format("{}: {} pairs", *version, n_rows != nullptr && n_rows->is_int() ? n_rows->as_int() : 0));
      return text_of(one.find("path"));
    }
    return Error{ErrorCode::kInternal, "data versions: no current version of wishes"};
  }

  Status make_candidate() {
    if (!tunes_) {
      step("A candidate: the same model thinks before it answers");
      say("it differs by its settings; without --no-tune it is tuned on the pairs");
      return make_variant({"--set", "thinking=true", "--set", "max_tokens=400", "--note", "thinks first"});
    }
    std::string version;
    FS_TRY(const std::string folder, dataset(&version));
    step("A candidate: DPO on the pairs");
    FS_TRY_VOID(command({"tune", "dpo", "--data", folder, "--epochs", "4", "--out", options_.folder + "/adapter"}));
    return make_variant({"--adapter", options_.folder + "/adapter/adapter.gguf", "--set", "thinking=false", "--set", "max_tokens=120", "--dataset", version, "--note", "DPO on ratings"});
  }
  Status make_variant(const std::vector<std::string>& flags) {
    std::vector<std::string> words = {"release", "create", kName};
    words.insert(words.end(), flags.begin(), flags.end());
    FS_TRY(const std::string out, command(with_state(words)));
    say(out.substr(0, out.find('\n')));
    return {};
  }

  Status sealed_evaluation() {
    step("A sealed evaluation of both");
    FS_TRY_VOID(command({"eval", "seal", options_.folder + "/suite/suite.toml", "--out", sealed_path(), "--key", options_.folder + "/owner.key"}));
    std::error_code ignored;
    std::filesystem::remove_all(options_.folder + "/suite", ignored);  // from here on only the runner sees the items
    FS_TRY_VOID(evaluate("champion", "report-champion"));
    FS_TRY_VOID(evaluate("candidate", "report-candidate"));
    FS_TRY(const std::string vault, command({"eval", "vault", sealed_path()}));
    say(vault.substr(0, vault.find('\n')));
    return {};
  }
  std::string sealed_path() const { return options_.folder + "/wishes.sealed"; }
  Status evaluate(const std::string& alias, const std::string& folder) {
    FS_TRY(const std::string table, command(with_state({"eval", "run", sealed_path(), "--key", options_.folder + "/owner.key", "--variant", std::string(kName) + "@" + alias,
                                                        "--out", options_.folder + "/" + folder, "--parallel", "16"})));
    const size_t at = table.find("helper/wishes");
    if (at != std::string::npos) say(fmt::format("{}: {}", alias, table.substr(at, table.find('\n', at) - at)));
    return {};
  }

  // Gates: the sealed suite, what people say, and service levels.
  Status write_plan() {
    const std::string plan = fmt::format(
        "name = \"{}\"\npromote = \"auto\"\nmax_answers = {}\nslow_ms = 20000\n\n"
        "[[surface]]\nname = \"api\"\nshadow = 10\nsteps = [10, 50]\nmin_answers = 30\n\n"
        "[[gate]]\nkind = \"suite\"\nsuite = \"helper/*\"\nneeds = \"not_worse\"\nmargin = 0.08\n\n"
        "[[gate]]\nkind = \"live\"\nmetric = \"thumbs_down\"\nmargin = 0.05\nmin = 40\n\n"
        "[[gate]]\nkind = \"live\"\nmetric = \"errors\"\nmargin = 0.05\nmin = 60\nexpected = 0.01\n\n"
        "[[gate]]\nkind = \"live\"\nmetric = \"cut\"\nmargin = 0.1\nmin = 60\nexpected = 0.05\n",
        kName, options_.n_answers_max);
    return write_file_atomic(options_.folder + "/plan.toml", plan);
  }
  Result<Json> start_rollout(const std::string& candidate_report) {
    return command_json(with_state({"release", "start", options_.folder + "/plan.toml", "--champion-report", options_.folder + "/report-champion/report.json",
                                    "--candidate-report", options_.folder + "/" + candidate_report + "/report.json"}));
  }
  // Live traffic until the rollout is over; its last state.
  Result<Json> live_traffic(bool chatter) {
    Json last;
    Status asked;
    std::vector<Seen> seen;
    const auto over = [&](int64_t) {
      Result<ServedSelf::Answer> list = server_->ask("GET", "/firesteel/v1/admin/releases", Json());
      if (!list.ok() || list->status != 200 || list->body.find("rollouts") == nullptr || list->body.find("rollouts")->as_array().empty()) return false;
      last = list->body.find("rollouts")->as_array().front();
      const std::string status = text_of(last.find("status"));
      return status != "running" && status != "gate";
    };
    FS_TRY_VOID(visits(options_.n_answers_max, 0.6, chatter, over, &seen));
    // The controller moves once a second; what was said last counts, too.
    for (int i = 0; i < 50 && !over(0); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(100));
    std::map<std::string, std::pair<int64_t, int64_t>> by_variant;
    for (const Seen& one : seen) {
      auto& [n, n_liked] = by_variant[one.variant];
      ++n;
      n_liked += one.liked ? 1 : 0;
    }
    for (const auto& [variant, counts] : by_variant) say(fmt::format("{}: {} answers, {:.0f} % liked", variant, counts.first, 100.0 * static_cast<double>(counts.second) / static_cast<double>(counts.first)));
    if (const Json* events = last.find("events"); events != nullptr) {
      for (auto event = events->as_array().rbegin(); event != events->as_array().rend(); ++event) say(text_of(event->find("kind")) + ": " + text_of(event->find("text")));
    }
    return last;
  }
  Status expect(const Json& rollout, const std::string& wanted, const std::string& what) {
    const std::string status = text_of(rollout.find("status"));
    outcome_.push_back(fmt::format("{}: {}{}", what, status, status == wanted ? "" : " (expected " + wanted + ")"));
    if (status == wanted) return {};
    static_cast<void>(finish());
    return Error{ErrorCode::kInternal, what + ": the rollout is " + status + ", expected " + wanted + ": " + text_of(rollout.find("reason"))};
  }

  Status canary_and_promotion() {
    step("The canary: a tenth, then half of the people get the candidate");
    FS_TRY_VOID(write_plan());
    FS_TRY(const Json started, start_rollout("report-candidate"));
    if (text_of(started.find("status")) != "running") return expect(started, "promoted", "the better candidate");
    FS_TRY(const Json last, live_traffic(/*chatter=*/false));
    return expect(last, "promoted", "the better candidate");
  }

  Status bad_variant_at_the_gate() {
    step("A bad variant: somebody turns the temperature up. The sealed suite stops it");
    FS_TRY_VOID(make_bad({"--set", "temperature=3.0", "--note", "creative"}));
    FS_TRY_VOID(evaluate("champion", "report-champion-2"));
    FS_TRY_VOID(evaluate("candidate", "report-bad"));
    FS_TRY(const Json started, command_json(with_state({"release", "start", options_.folder + "/plan.toml", "--champion-report", options_.folder + "/report-champion-2/report.json",
                                                        "--candidate-report", options_.folder + "/report-bad/report.json"})));
    say(text_of(started.find("reason")));
    return expect(started, "blocked", "the wild one at the gate");
  }
  // The champion with something changed.
  Status make_bad(std::vector<std::string> flags) {
    if (tunes_) flags.insert(flags.end(), {"--adapter", options_.folder + "/adapter/adapter.gguf", "--set", "thinking=false"});
    else flags.insert(flags.end(), {"--set", "thinking=true"});
    return make_variant(flags);
  }

  Status bad_variant_in_the_canary() {
    step("Another one: answers are limited to save work. The suite asks nothing that needs long answers; people do");
    FS_TRY_VOID(make_bad({"--set", tunes_ ? "max_tokens=24" : "max_tokens=48", "--note", "short of breath"}));
    FS_TRY_VOID(evaluate("candidate", "report-short"));
    FS_TRY(const Json started, command_json(with_state({"release", "start", options_.folder + "/plan.toml", "--champion-report", options_.folder + "/report-champion-2/report.json",
                                                        "--candidate-report", options_.folder + "/report-short/report.json"})));
    if (text_of(started.find("status")) != "running") return expect(started, "rolled_back", "the short one in the canary");
    FS_TRY(const Json last, live_traffic(/*chatter=*/true));
    return expect(last, "rolled_back", "the short one in the canary");
  }

  const DemoOptions options_;
  const std::string state_;
  int64_t begin_us_ = 0;
  int n_steps_ = 0;
  bool tunes_ = false;
  Wish wish_ = Wish::kRightNumber;
  std::string report_;
  std::vector<std::string> outcome_;
  std::vector<EvalItem> problems_;
  std::unique_ptr<ServedSelf> server_;
  uint64_t n_visits_ = 0;
};

}  // namespace

Status run_loop_demo(const DemoOptions& options) { return Demo(options).run(); }

}  // namespace firesteel
