// firesteel doctor isolation: attacks a server of its own, to see whether one tenant can learn anything of another.
#include <stdlib.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mapped_file.h"
#include "base/mutex.h"
#include "base/rng.h"
#include "commands.h"
#include "installation.h"
#include "load_model.h"
#include "loopback_client.h"
#include "server/app.h"
#include "server/http_server.h"
#include "server/server_context.h"
#include "telemetry/log.h"

namespace firesteel {
namespace {

constexpr double kAucMax = 0.55;       // of a foreign tenant's prompts
constexpr double kControlAucMin = 0.8; // of the own ones: else the attack would not have seen a leak either
constexpr size_t kThreads = 8;

struct IsolationOptions {
  ModelOptions model;
  int64_t n_probes = 1000, n_tenants = 50, seconds = 20, prompt_tokens = 256;
  bool json = false;
};

// A server with tenants, gone with its folder at the end.
class TestServer {
 public:
  static Result<std::unique_ptr<TestServer>> start(const IsolationOptions& options) {
    auto server = std::make_unique<TestServer>();
    std::error_code no_place;
    std::string folder = (std::filesystem::temp_directory_path(no_place) / "firesteel-isolation-XXXXXX").string();
    if (no_place || mkdtemp(folder.data()) == nullptr) return Error{ErrorCode::kIo, folder + ": no such folder can be made"};
    server->folder_ = folder;
    FS_TRY(server->loaded_, load_model(options.model, /*want_template=*/true));
    if (server->loaded_.tokenizer == nullptr) return Error{ErrorCode::kNotFound, server->loaded_.path + ": has no tokenizer"};
    Engine::Options engine_options;
    engine_options.max_sequences = 16;
    // Little memory on purpose: blocks are evicted and used again by others all the time.
    engine_options.context_length = std::min<int64_t>(server->loaded_.model->config().context_length, 4 * options.prompt_tokens + 256);
    FS_TRY(server->engine_, create_engine(server->loaded_, options.model, engine_options));
    const uint64_t block_bytes = std::max<uint64_t>(server->engine_->kv_layout().block_bytes(), 1);
    engine_options.kv_bytes_max = static_cast<uint64_t>(engine_options.context_length / kKvBlockTokens + 1) * 6 * block_bytes;
    server->engine_.reset();
    FS_TRY(server->engine_, create_engine(server->loaded_, options.model, engine_options));
    FS_TRY(server->installation_, open_installation(server->folder_ + "/state", 0));
    for (int64_t i = 0; i < options.n_tenants; ++i) {
      FS_TRY(const TenantRecord tenant, server->installation_.tenants->create_tenant(fmt::format("tenant {}", i), {}, Actor{"doctor"}));
      KeySpec spec;
      spec.tenant = tenant.id;
      spec.name = "doctor";
      FS_TRY(const CreatedKey key, server->installation_.tenants->create_key(spec, Actor{"doctor"}));
      server->keys_.push_back(key.secret);
    }
    FS_TRY(const std::string admin, read_file(server->folder_ + "/state/admin.key", 4096));
    server->admin_key_ = admin.substr(0, admin.find('\n'));
    server->log_ = std::make_unique<Log>([raw = server.get()](const std::string& line) {
      MutexLock lock(raw->lines_mutex_);
      raw->lines_ += line;
    }, LogLevel::kDebug);
    ServerOptions server_options;
    server_options.model_id = "model";
    server->context_ = std::make_unique<ServerContext>(server->engine_.get(), server->installation_.tenants.get(), server->installation_.store.get(), server->log_.get(), std::move(server_options));
    HttpServerOptions http_options;
    http_options.n_workers = 4;
    FS_TRY(server->http_, HttpServer::start(std::make_shared<App>(server->context_.get()), std::move(http_options)));
    server->context_->attach(server->http_.get());
    return server;
  }
  ~TestServer() {
    if (context_ != nullptr) context_->attach(nullptr);
    http_.reset();
    context_.reset();
    engine_.reset();
    std::error_code ignored;
    if (!folder_.empty()) std::filesystem::remove_all(folder_, ignored);
  }
  uint16_t port() const { return http_->port(); }
  const std::string& key(size_t tenant) const { return keys_[tenant]; }
  const std::string& admin_key() const { return admin_key_; }
  int64_t n_vocab() const { return loaded_.model->config().n_vocab; }
  GeneratorStats stats() const { return engine_->stats(); }
  std::string log_lines() {
    MutexLock lock(lines_mutex_);
    return lines_;
  }

 private:
  std::string folder_, admin_key_;
  LoadedModel loaded_;
  std::unique_ptr<Engine> engine_;
  Installation installation_;
  std::vector<std::string> keys_;
  Mutex lines_mutex_;
  std::string lines_ FS_GUARDED_BY(lines_mutex_);
  std::unique_ptr<Log> log_;
  std::unique_ptr<ServerContext> context_;
  std::unique_ptr<HttpServer> http_;
};

// The chance that a known prompt is answered sooner than an unknown one (Mann and Whitney); 0.5: times tell nothing.
double auc(std::vector<double> known, std::vector<double> unknown) {
  std::vector<std::pair<double, bool>> all;
  for (const double t : known) all.emplace_back(t, true);
  for (const double t : unknown) all.emplace_back(t, false);
  std::sort(all.begin(), all.end());
  double wins = 0, n_known_before = 0;
  for (size_t i = 0; i < all.size();) {
    size_t end = i;
    double n_known = 0, n_unknown = 0;
    for (; end < all.size() && all[end].first == all[i].first; ++end) (all[end].second ? n_known : n_unknown) += 1;
    wins += n_unknown * (n_known_before + n_known / 2);
    n_known_before += n_known;
    i = end;
  }
  return wins / (static_cast<double>(known.size()) * static_cast<double>(unknown.size()));
}

std::string completion_body(const std::vector<TokenId>& ids) {
  Json::Array list;
  for (const TokenId id : ids) list.emplace_back(int64_t{id});
  return Json(Json::Object{{"prompt", Json(Json::Array{Json(std::move(list))})}, {"max_tokens", 1}, {"temperature", 0}}).dump();
}

std::vector<TokenId> random_prompt(int64_t n, int64_t n_vocab, uint64_t seed) {
  Rng rng(seed);
  std::vector<TokenId> ids;
  for (int64_t i = 0; i < n; ++i) ids.push_back(static_cast<TokenId>(rng.below(static_cast<uint64_t>(n_vocab))));
  return ids;
}

int64_t cached_tokens(std::string_view body) {
  constexpr std::string_view kName = "\"cached_tokens\":";
  const size_t at = body.find(kName);
  return at == std::string_view::npos ? -1 : std::atoll(std::string(body.substr(at + kName.size(), 20)).c_str());
}

struct Attack {
  double auc = 0;
  int64_t n_cached = 0;     // tokens that the attacker was told to have found
  int64_t n_failed = 0;
};

// The victim asks something; the attacker asks the same and something nobody asked, in random order, and looks at the clock.
Attack attack(TestServer* server, const IsolationOptions& options, size_t victim, size_t attacker, uint64_t seed) {
  LoopbackClient victims(server->port()), attackers(server->port());
  Rng rng(seed);
  Attack out;
  std::vector<double> known, unknown;
  for (int64_t i = 0; i < options.n_probes; ++i) {
    const std::string asked = completion_body(random_prompt(options.prompt_tokens, server->n_vocab(), rng.next_u64()));
    const std::string fresh = completion_body(random_prompt(options.prompt_tokens, server->n_vocab(), rng.next_u64()));
    if (victims.ask("POST", "/v1/completions", server->key(victim), asked).status != 200) ++out.n_failed;
    const bool asked_first = rng.below(2) == 0;
    for (const bool first : {true, false}) {
      const bool is_known = first == asked_first;
      const int64_t start_us = system_clock().now_us();
      const LoopbackClient::Answer answer = attackers.ask("POST", "/v1/completions", server->key(attacker), is_known ? asked : fresh);
      (is_known ? known : unknown).push_back(static_cast<double>(system_clock().now_us() - start_us));
      if (answer.status != 200) ++out.n_failed;
      if (is_known) out.n_cached += std::max<int64_t>(cached_tokens(answer.body()), 0);
    }
  }
  out.auc = auc(known, unknown);
  return out;
}

struct Canaries {
  int64_t n_answers = 0, n_left = 0, n_refused = 0, n_foreign = 0, n_changed = 0, n_compared = 0;
  std::string where;  // of the first foreign nonce
};

// What somebody of tenant t asks: with the tenant's nonce, and now and then something that fails.
struct Question {
  std::string path, body;
};
Question question(const std::string& nonce, Rng* rng) {
  const std::string words = fmt::format("The code of this customer is {}. Repeat the code {} and say what {} is.", nonce, nonce, nonce);
  const auto seed = static_cast<int64_t>(rng->below(4));
  const Json messages = Json::Array{Json::Object{{"role", "user"}, {"content", words}}};
  switch (rng->below(6)) {
    case 0: return {"/v1/completions", Json(Json::Object{{"prompt", words}, {"max_tokens", 24}, {"temperature", 1}, {"seed", seed}}).dump()};
    case 1: return {"/v1/chat/completions", Json(Json::Object{{"messages", messages}, {"max_tokens", 24}, {"seed", seed}, {"stream", true}}).dump()};
    case 2: return {"/v1/messages", Json(Json::Object{{"messages", messages}, {"max_tokens", 24}, {"firesteel", Json::Object{{"seed", seed}}}}).dump()};
    case 3: return {"/v1/responses", Json(Json::Object{{"input", words}, {"max_output_tokens", 24}, {"firesteel", Json::Object{{"seed", seed}}}}).dump()};
    case 4: return {"/v1/chat/completions", Json(Json::Object{{"messages", messages}, {"temperature", 99}, {nonce, 1}}).dump()};
    default: return {"/api/generate", Json(Json::Object{{"prompt", words}, {"stream", false}, {"options", Json::Object{{"num_predict", 24}, {"seed", seed}}}}).dump()};
  }
}

Canaries let_canaries_sing(TestServer* server, const IsolationOptions& options) {
  const auto n_tenants = static_cast<size_t>(options.n_tenants);
  std::vector<std::string> nonces;
  Rng names(20261127);
  for (size_t i = 0; i < n_tenants; ++i) nonces.push_back(fmt::format("k{:016x}", names.next_u64()));
  Canaries out;
  Mutex mutex;
  const auto look = [&](std::string_view text, size_t owner, const std::string& where) {
    for (size_t i = 0; i < n_tenants; ++i) {
      if (i == owner || text.find(nonces[i]) == std::string_view::npos) continue;
      MutexLock lock(mutex);
      if (out.n_foreign++ == 0) out.where = where;
    }
  };
  struct Kept {
    size_t tenant;
    std::string body, answer;
  };
  std::vector<Kept> kept;  // answers to be compared with those of a quiet server
  const auto content = [](const LoopbackClient::Answer& answer) {
    const Result<Json> json = Json::parse(answer.body());
    const Json* choices = json.ok() ? json->find("choices") : nullptr;
    return choices == nullptr ? std::string() : choices->dump();
  };
  const int64_t until_us = system_clock().now_us() + options.seconds * 1'000'000;
  std::vector<std::thread> threads;
  for (size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      Rng rng(1000 + t);
      LoopbackClient client(server->port());
      while (system_clock().now_us() < until_us) {
        const size_t tenant = rng.below(n_tenants);
        const Question asked = question(nonces[tenant], &rng);
        const bool leaves = rng.below(5) == 0;
        const size_t n_read = 200 + rng.below(2000);
        const LoopbackClient::Answer answer = client.ask("POST", asked.path, server->key(tenant), asked.body,
                                                         [&](const std::string& bytes) { return !leaves || bytes.size() < n_read; });
        look(answer.bytes, tenant, asked.path);
        MutexLock lock(mutex);
        (leaves ? out.n_left : answer.status == 200 ? out.n_answers : out.n_refused) += 1;
        if (answer.status == 200 && !leaves && asked.path == "/v1/completions" && kept.size() < 200) kept.push_back({tenant, asked.body, content(answer)});
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  // A stray read of somebody's keys and values would not show the nonce; it would change the bytes.
  LoopbackClient alone(server->port());
  for (const Kept& one : kept) {
    ++out.n_compared;
    if (content(alone.ask("POST", "/v1/completions", server->key(one.tenant), one.body)) != one.answer) ++out.n_changed;
  }
  look(server->log_lines(), n_tenants, "the log");
  look(alone.ask("GET", "/metrics", server->admin_key(), "").bytes, n_tenants, "/metrics");
  return out;
}

int run_isolation(const IsolationOptions& options) {
  Result<std::unique_ptr<TestServer>> started = TestServer::start(options);
  if (!started.ok()) return fail(started.error(), options.json);
  TestServer* const server = started->get();
  if (!options.json) fmt::print("Attacking a server of its own ({} tenants, little memory) ...\n", options.n_tenants);
  std::fflush(stdout);
  IsolationOptions warm_up = options;
  warm_up.n_probes = 20;
  attack(server, warm_up, 0, 1, 1);  // memory is touched, caches are filled
  const Attack control = attack(server, options, 0, 0, 2);
  const Attack foreign = attack(server, options, 0, 1, 3);
  const Canaries canaries = let_canaries_sing(server, options);
  const GeneratorStats stats = server->stats();
  const double foreign_auc = std::max(foreign.auc, 1 - foreign.auc);  // slower would tell as much as sooner
  const bool seen = control.auc >= kControlAucMin;
  const bool timing_ok = foreign_auc <= kAucMax && foreign.n_cached == 0 && foreign.n_failed == 0;
  const bool canaries_ok = canaries.n_foreign == 0 && canaries.n_changed == 0 && canaries.n_answers > 0;
  if (options.json) {
    fmt::print("{}\n", Json(Json::Object{{"ok", timing_ok && canaries_ok && seen},
                                          {"timing", Json::Object{{"auc", foreign_auc}, {"auc_max", kAucMax}, {"probes", options.n_probes}, {"cached_tokens", foreign.n_cached},
                                                                  {"failed", foreign.n_failed}, {"control_auc", control.auc}}},
                                          {"canaries", Json::Object{{"tenants", options.n_tenants}, {"answers", canaries.n_answers}, {"left", canaries.n_left}, {"refused", canaries.n_refused},
                                                                    {"foreign", canaries.n_foreign}, {"where", canaries.where}, {"compared", canaries.n_compared},
                                                                    {"changed", canaries.n_changed}, {"preemptions", static_cast<int64_t>(stats.n_preemptions)}}}}).dump());
  } else {
    const auto verdict = [](bool ok) { return ok ? "good" : "BAD "; };
    fmt::print("{}  timing, another tenant's prompts   AUC {:.3f} of {} probes (at most {:.2f}), {} cached tokens told\n", verdict(timing_ok), foreign_auc, options.n_probes, kAucMax, foreign.n_cached);
    fmt::print("{}  timing, the own prompts (control)  AUC {:.3f}: {}\n", verdict(seen), control.auc,
               seen ? "the attack works where it may" : "the attack sees nothing even there, so it says nothing; is the machine busy?");
    fmt::print("{}  canaries of {} tenants              {} answers, {} left in the middle, {} refused, {} preemptions: {} foreign{}\n", verdict(canaries.n_foreign == 0),
               options.n_tenants, canaries.n_answers, canaries.n_left, canaries.n_refused, stats.n_preemptions, canaries.n_foreign,
               canaries.where.empty() ? "" : ", first in " + canaries.where);
    fmt::print("{}  answers under load                 {} of {} have other bytes than alone\n", verdict(canaries.n_changed == 0), canaries.n_changed, canaries.n_compared);
  }
  return timing_ok && canaries_ok && seen ? kExitOk : kExitFailed;
}

}  // namespace

void add_doctor_isolation(Command doctor) {
  const auto options = std::make_shared<IsolationOptions>();
  Command command = doctor.subcommand("isolation", "Attack a server of its own: can one tenant learn anything of another?");
  add_model_option(&command, &options->model);
  add_engine_options(&command, &options->model);
  command.integer("--probes", &options->n_probes, 10, 100'000, "Questions of the timing attack, twice as many answers (default 1000)");
  command.integer("--prompt-tokens", &options->prompt_tokens, 16, 4096, "Length of its prompts (default 256)");
  command.integer("--tenants", &options->n_tenants, 2, 500, "Tenants with a nonce each (default 50)");
  command.integer("--seconds", &options->seconds, 1, 86'400, "Load with nonces (default 20)");
  command.flag("--json", &options->json, "Print one JSON object");
  command.examples(
      "  firesteel doctor isolation\n"
      "  firesteel doctor isolation --model MODEL.gguf --probes 2000 --seconds 3600 --json\n"
      "Nothing of the installation is used: tenants, keys and store are made in a folder for temporary files and removed. Run it while the machine is quiet.");
  command.run([options] { return run_isolation(*options); });
}

}  // namespace firesteel
