// firesteel serve: the API, the web app and the admin console on one address.
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <thread>

#include <fmt/format.h>

#include "agents/agent_generator.h"
#include "agents/answer_key.h"
#include "answering.h"
#include "base/clock.h"
#include "base/mapped_file.h"
#include "build_info.h"
#include "commands.h"
#include "embedded_model.h"
#include "erase.h"
#include "generation.h"
#include "idle_pages.h"
#include "installation.h"
#include "kvcache/prefix_tree.h"
#include "load_model.h"
#include "monitor_loop.h"
#include "server/app.h"
#include "server/batch_runner.h"
#include "server/http_server.h"
#include "server/passage_meaning.h"
#include "server/release_routing.h"
#include "server/server_context.h"
#include "service_manager.h"
#include "telemetry/log.h"
#include "telemetry/otlp_exporter.h"
#include "telemetry/trace.h"
#include "tools/documents_tool.h"
#include "tune_job_runner.h"

namespace firesteel {
namespace {

struct ServeOptions {
  ModelOptions model;
  std::string listen = "127.0.0.1:8080";
  std::string state_dir, adapter_dir;
  std::string model_name;
  std::vector<std::string> aliases, hosts, origins, adapters;
  std::string tls_certificate, tls_key;
  std::string log_level, monitor_file, mcp_file;
  std::string otlp_endpoint;
  std::vector<std::string> published;
  double trace_ratio = 1;
  bool sandbox = false;
  std::string embeddings = "auto";
  int64_t confirm_s = 120;
  bool no_auth = false, tls_at_proxy = false, vllm_metrics = false;
  int64_t max_sequences = 64, max_queue = 256, kv_mib = 0, drain_s = 30, n_workers = 2;
};

struct Address {
  std::string host;
  uint16_t port = 0;
  bool is_loopback() const { return host == "::1" || host.substr(0, 4) == "127."; }
};

// "127.0.0.1:8080", "[::1]:8080", ":8080", "8080", "localhost:8080"
Result<Address> parse_address(const std::string& text) {
  Address address{"127.0.0.1", 8080};
  const size_t colon = text.rfind(':');
  std::string host = colon == std::string::npos ? std::string() : text.substr(0, colon);
  const std::string port = colon == std::string::npos ? text : text.substr(colon + 1);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  if (host == "localhost") host = "127.0.0.1";
  if (!host.empty()) address.host = host;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), address.port);
  if (error != std::errc() || end != port.data() + port.size()) {
    return Error{ErrorCode::kInvalidArgument, "--listen " + text + ": expected HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080"};
  }
  return address;
}

// Each client needs a descriptor; the soft limit is often 1,024.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

std::string model_name(const ServeOptions& options, const std::string& path) {
  if (!options.model_name.empty()) return options.model_name;
  std::string name = std::filesystem::path(path).filename().string();
  if (name.empty()) name = std::filesystem::path(path).parent_path().filename().string();
  if (name.size() > 5 && name.substr(name.size() - 5) == ".gguf") name.resize(name.size() - 5);
  return name;
}

LogLevel log_level(const ServeOptions& options) {
  if (options.log_level == "debug") return LogLevel::kDebug;
  if (options.log_level == "info") return LogLevel::kInfo;
  if (options.log_level == "error") return LogLevel::kError;
  // At a terminal a person reads: only what needs them. Elsewhere something collects.
  return options.log_level.empty() && isatty(STDERR_FILENO) == 0 ? LogLevel::kInfo : LogLevel::kWarning;
}

std::vector<ConfigEntry> config_entries(const ServeOptions& options, const Command& command, const LoadedModel& loaded, const std::string& state_dir) {
  std::vector<ConfigEntry> entries;
  const auto add = [&](const char* flag, std::string value) {
    entries.push_back({flag + 2, std::move(value), command.origin(flag)});
  };
  add("--listen", options.listen);
  add("--model", loaded.path);
  add("--state-dir", state_dir);
  add("--max-sequences", std::to_string(options.max_sequences));
  add("--max-queue", std::to_string(options.max_queue));
  add("--no-auth", options.no_auth ? "true" : "false");
  add("--tls-cert", options.tls_certificate);
  add("--vllm-metrics", options.vllm_metrics ? "true" : "false");
  add("--drain-seconds", std::to_string(options.drain_s));
  return entries;
}

// The first admin key's tenant; with --no-auth its rights are everybody's who reaches the loopback.
Result<Principal> anonymous_principal(Installation* installation) {
  const Actor actor{"serve --no-auth"};
  const std::optional<TenantRecord> tenant = installation->tenants->find_tenant("default");
  if (!tenant) return Error{ErrorCode::kFailedPrecondition, "--no-auth: the tenant 'default' was removed"};
  for (const KeyRecord& key : installation->tenants->list_keys(tenant->id)) {
    if (key.name == actor.name && key.revoked_us == 0) {
      const Status revoked = installation->tenants->revoke_key(tenant->id, key.id, actor);
      if (!revoked.ok()) return revoked.error();
    }
  }
  KeySpec spec;
  spec.tenant = tenant->id;
  spec.name = actor.name;
  spec.scopes = Scope::kAdmin;
  FS_TRY(const CreatedKey key, installation->tenants->create_key(spec, actor));
  return installation->tenants->authenticate(key.secret);
}

std::string environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? std::string() : value;
}

// Null without an endpoint. Names of the environment are those of OpenTelemetry's specification.
Result<std::shared_ptr<OtlpExporter>> make_exporter(const ServeOptions& options) {
  const std::string traces = environment("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
  const std::string base = options.otlp_endpoint;
  if (base.empty() && traces.empty()) return std::shared_ptr<OtlpExporter>();
  OtlpOptions otlp;
  FS_TRY(otlp.url, parse_otlp_url(base.empty() ? traces : base, /*is_base=*/!base.empty()));
  FS_TRY(otlp.headers, parse_otel_list(environment("OTEL_EXPORTER_OTLP_HEADERS")));
  const std::string service = environment("OTEL_SERVICE_NAME");
  otlp.resource = {{"service.name", service.empty() ? "firesteel" : service}, {"service.version", build_version()}};
  FS_TRY(const auto resource, parse_otel_list(environment("OTEL_RESOURCE_ATTRIBUTES")));
  for (const auto& [name, value] : resource) {
    if (name != "service.name" || service.empty()) otlp.resource.emplace_back(name, value);
  }
  return std::make_shared<OtlpExporter>(std::move(otlp), build_version());
}

// The engine's threads keep every core busy while there is work, and the one that moves bytes to all clients needs little, but at once: so theirs have
// a nice value of 1. On 2 cores with 10,000 streams the slowest hundredth of /livez falls from 5.2 to 4.8 ms (docs/reliability.md). Threads take over the value of the one that makes them, and it cannot be lowered again: hence the detour.
Result<std::unique_ptr<Engine>> create_yielding_engine(const LoadedModel& loaded, const ModelOptions& options, Engine::Options engine_options) {
  std::optional<Result<std::unique_ptr<Engine>>> made;
  std::thread([&] {
    setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + 1);  // of this thread only; refused: it stays as it was
    made.emplace(create_engine(loaded, options, engine_options));
  }).join();
  return *std::move(made);
}

// A flag counts; else OTEL_TRACES_SAMPLER and its argument; else everything, but for callers that decided otherwise.
Result<Tracer::Sampling> read_sampling(const ServeOptions& options, const Command& command) {
  Tracer::Sampling sampling{.ratio = options.trace_ratio};
  std::string name = environment("OTEL_TRACES_SAMPLER");
  if (command.was_given("--trace-ratio") || name.empty()) return sampling;
  constexpr std::string_view kParentBased = "parentbased_";
  sampling.follows_parent = name.substr(0, kParentBased.size()) == kParentBased;
  if (sampling.follows_parent) name.erase(0, kParentBased.size());
  if (name == "always_on") return sampling;
  if (name == "always_off") {
    sampling.ratio = 0;
    return sampling;
  }
  const std::string argument = environment("OTEL_TRACES_SAMPLER_ARG");
  if (name != "traceidratio") return Error{ErrorCode::kInvalidArgument, "OTEL_TRACES_SAMPLER: expected always_on, always_off or traceidratio, each also with parentbased_ before it"};
  if (argument.empty()) return sampling;
  const auto [end, error] = std::from_chars(argument.data(), argument.data() + argument.size(), sampling.ratio);
  if (error != std::errc() || end != argument.data() + argument.size() || !(sampling.ratio >= 0 && sampling.ratio <= 1)) {
    return Error{ErrorCode::kInvalidArgument, "OTEL_TRACES_SAMPLER_ARG: expected a number from 0 to 1"};
  }
  return sampling;
}

void print_welcome(const std::string& url, const std::string& model, const Installation& installation, bool no_auth) {
  fmt::print("Firesteel answers at {}  (model {})\n", url, model);
  std::string header;
  if (no_auth) {
    fmt::print("Every program on this machine may use it: --no-auth\n");
  } else if (installation.bootstrap.admin_key_path.empty()) {
    fmt::print("Keys are needed; make one with 'firesteel key create'\n");
  } else {
    fmt::print("The admin key is in {}{}\n", installation.bootstrap.admin_key_path, installation.bootstrap.first_start ? " (made just now)" : "");
    header = fmt::format(" -H \"Authorization: Bearer $(cat '{}')\"", installation.bootstrap.admin_key_path);
  }
  fmt::print("\n  curl {}/v1/chat/completions{} -H 'Content-Type: application/json' \\\n"
             "    -d '{{\"model\": \"{}\", \"messages\": [{{\"role\": \"user\", \"content\": \"Why is the sky blue?\"}}]}}'\n\n"
             "  from openai import OpenAI\n"
             "  client = OpenAI(base_url=\"{}/v1\", api_key={})\n\n",
             url, header, model, url,
             no_auth ? "\"none\"" : fmt::format("open(\"{}\").read().strip()", installation.bootstrap.admin_key_path));
  std::fflush(stdout);
}

// System prompts that every tenant may share: computed once, and kept as long as the contexts live.
Result<std::vector<std::shared_ptr<Context>>> publish_prefixes(const ServeOptions& options, Engine* engine) {
  std::vector<std::shared_ptr<Context>> contexts;
  for (const std::string& path : options.published) {
    FS_TRY(std::string text, read_file(path, 1u << 20));
    while (!text.empty() && text.back() == '\n') text.pop_back();  // of the editor, not of the prompt
    GenerateRequest request;
    ChatPrompt prompt;
    prompt.messages = Json::Array{Json::Object{{"role", "system"}, {"content", std::move(text)}}};
    prompt.template_variables = Json::Object{{"add_generation_prompt", false}};
    request.prompt = std::move(prompt);
    request.cache_namespace = kPublishedNamespace;
    Result<std::shared_ptr<Context>> context = engine->prefill(std::move(request));
    if (!context.ok()) return Error{context.error().code, "--publish-prefix " + path + ": " + context.error().message};
    contexts.push_back(std::move(*context));
  }
  return contexts;
}

// NAME=FILE: clients ask for "MODEL:NAME".
Status name_adapter(const std::string& given, Engine* engine, ServerContext* context) {
  const size_t equals = given.find('=');
  const std::string name = given.substr(0, equals);
  if (equals == std::string::npos || !AdapterNames::is_name(name)) {
    return Error{ErrorCode::kInvalidArgument, "--adapter " + given + ": expected NAME=FILE, the name 1 to 64 letters, digits, '.', '_' or '-'"};
  }
  for (const AdapterNames::Entry& other : context->adapters.list()) {
    if (other.name == name) return Error{ErrorCode::kInvalidArgument, "--adapter " + given + ": the name '" + name + "' is given twice"};
  }
  FS_TRY(AdapterInfo info, engine->load_adapter(given.substr(equals + 1)));
  context->adapters.set({.name = name, .digest = std::move(info.digest)});
  return {};
}

// Until SIGTERM or SIGINT; meanwhile the service manager hears that we live.
void wait_for_signal(const sigset_t& signals) {
  const int64_t period_us = watchdog_period_us();
  for (;;) {
    if (period_us <= 0) {
      int signal = 0;
      if (sigwait(&signals, &signal) == 0) return;
      continue;
    }
    const timespec timeout{period_us / 1'000'000, period_us % 1'000'000 * 1000};
    if (sigtimedwait(&signals, nullptr, &timeout) > 0) return;
    if (errno == EAGAIN) notify_service_manager("WATCHDOG=1");
  }
}

Status serve(const ServeOptions& options, const Command& command) {
  // Blocked before the first thread, so that all inherit it and only wait_for_signal sees them.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);

  FS_TRY(const Address address, parse_address(options.listen));
  HttpServerOptions http_options;
  if (!options.tls_certificate.empty() || !options.tls_key.empty()) {
    FS_TRY(http_options.tls, TlsContext::load(options.tls_certificate, options.tls_key));
  }
  if (!address.is_loopback()) {
    if (options.no_auth) return Error{ErrorCode::kInvalidArgument, "--no-auth is for loopback only, and " + address.host + " can be reached from outside"};
    if (http_options.tls == nullptr && !options.tls_at_proxy) {
      return Error{ErrorCode::kInvalidArgument, address.host + " can be reached from outside, where keys must not travel in the clear: give --tls-cert and " +
                                                    "--tls-key, or --tls-at-proxy when a proxy in front of this server ends TLS"};
    }
  }
  FS_TRY(const LoadedModel loaded, load_model(options.model, /*want_template=*/true));
  if (loaded.tokenizer == nullptr) return Error{ErrorCode::kNotFound, loaded.path + ": has no tokenizer"};
  Engine::Options engine_options;
  engine_options.max_sequences = static_cast<int>(options.max_sequences);
  engine_options.max_queue = static_cast<int>(options.max_queue);
  engine_options.kv_bytes_max = static_cast<uint64_t>(options.kv_mib) << 20;
  FS_TRY(const std::unique_ptr<Engine> engine, create_yielding_engine(loaded, options.model, engine_options));
  const auto kv_tokens = static_cast<int64_t>(engine->stats().kv_bytes_max / std::max<uint64_t>(engine->kv_layout().block_bytes(), 1)) * kKvBlockTokens;
  FS_TRY(const std::vector<std::shared_ptr<Context>> published, publish_prefixes(options, engine.get()));
  const std::string state_dir = state_dir_to_use(options.state_dir);
  FS_TRY(Installation installation, open_installation(state_dir, kv_tokens));

  Log log(stderr_sink(), log_level(options));
  ServerOptions server_options;
  server_options.model_id = model_name(options, loaded.path);
  server_options.aliases = options.aliases;
  server_options.version = build_version();
  server_options.commit = build_commit();
  server_options.secure_cookies = http_options.tls != nullptr || options.tls_at_proxy;
  server_options.with_vllm_names = options.vllm_metrics;
  server_options.hosts.any_host = !address.is_loopback();
  server_options.hosts.more_hosts = options.hosts;
  server_options.hosts.more_origins = options.origins;
  server_options.config = config_entries(options, command, loaded, state_dir);
  server_options.model_path = loaded.path;
  server_options.adapter_folder = options.adapter_dir.empty() ? adapter_store(state_dir) : options.adapter_dir;
  if (options.no_auth) {
    FS_TRY(server_options.anonymous, anonymous_principal(&installation));
  }
  const Result<std::shared_ptr<OtlpExporter>> exporter = make_exporter(options);
  if (!exporter.ok()) return exporter.error();
  if (*exporter != nullptr) {
    FS_TRY(const Tracer::Sampling sampling, read_sampling(options, command));
    server_options.tracer = std::make_shared<const Tracer>(*exporter, sampling);
  }
  const std::string model_id = server_options.model_id;
  // Lanes of subagents use the tools that the model was trained with.
  AgentGenerator::Options agent_options;
  FS_TRY(agent_options.tools, tools_to_offer({}, {}, loaded));
  std::vector<std::string> notes;
  FS_TRY(agent_options.more_tools, server_tools(installation.store.get(), options.sandbox, options.mcp_file, &notes));
  PassageMeaning meaning(engine.get(), installation.store.get(), &log);
  MeaningFn query_meaning;
  if (options.embeddings != "off") {
    meaning.start();
    query_meaning = [&meaning](std::string_view text) { return meaning.of(text); };
    for (auto& tool : agent_options.more_tools) {
      if (tool->name() == "documents") tool = make_documents(installation.store.get(), query_meaning);
    }
  }
  for (const std::string& note : notes) fmt::print(stderr, "firesteel: {}\n", note);
  agent_options.confirm_ms = options.confirm_s * 1000;
  AgentGenerator agents(engine.get(), std::move(agent_options));
  server_options.answer_key = [](std::string_view answer) { return answer_key(answer).key; };
  ServerContext context(&agents, installation.tenants.get(), installation.store.get(), &log, std::move(server_options));
  context.meaning = std::move(query_meaning);

  if (*exporter != nullptr) {
    context.metrics.registry().add_collector([&context, spans = *exporter] {
      MetricRegistry& registry = context.metrics.registry();
      registry.counter("firesteel_spans_total", "Spans for the collector by what became of them", {{"outcome", "exported"}}).set(spans->counts().exported);
      registry.counter("firesteel_spans_total", "Spans for the collector by what became of them", {{"outcome", "dropped"}}).set(spans->counts().dropped);
    });
  }
  FS_TRY(const ServerSecret secret, load_or_create_secret(state_dir));
  MonitorFile monitoring;
  if (!options.monitor_file.empty()) {
    FS_TRY(const std::string text, read_file(options.monitor_file, 1u << 20));
    FS_TRY(monitoring, parse_monitor_file(text, options.monitor_file));
  }
  ReleaseDesk releases(&agents, std::make_unique<ReleaseController>(*installation.store, *installation.tenants, secret,
                                                                    [&log](const RolloutRecord& rollout, const RolloutEvent& event) {
                                                                      log.write(event.kind == "rolled_back" ? LogLevel::kWarning : LogLevel::kInfo, "release",
                                                                                {{"rollout", rollout.id}, {"name", rollout.name}, {"kind", event.kind},
                                                                                 {"surface", event.surface}, {"text", event.text}});
                                                                    }), monitoring.sample);
  releases.erase_person = [&installation, folder = context.options.adapter_folder](const std::string& user, const std::string& tenant, bool dry_run, const std::string& actor) {
    const std::string datasets = environment("FIRESTEEL_DATASETS");
    return erase_person(installation.store.get(), installation.tenants.get(),
                        {.datasets = datasets.empty() ? installation.state_dir + "/datasets" : datasets, .adapters = {folder}, .user = user, .tenant = tenant, .dry_run = dry_run}, {actor});
  };
  releases.controller->start();
  context.releases = &releases;
  const MonitorLoop monitor(*installation.store, monitoring, [&log](const MonitorAlert& alert, const Status& delivered) {
    Json::Object fields{{"rule", alert.reading.rule}, {"variant", alert.reading.variant}, {"surface", alert.reading.surface}, {"tenant", alert.reading.tenant},
                        {"value", alert.reading.value}, {"text", alert.text}};
    if (!delivered.ok()) fields.emplace_back("webhook_error", delivered.error().message);
    log.write(alert.begins ? LogLevel::kWarning : LogLevel::kInfo, alert.begins ? "alert" : "alert_over", std::move(fields));
  });
  for (const std::string& given : options.adapters) FS_TRY_VOID(name_adapter(given, engine.get(), &context));

  raise_descriptor_limit();
  http_options.address = address.host;
  http_options.port = address.port;
  http_options.n_workers = static_cast<int>(options.n_workers);
  http_options.n_queued_max = static_cast<size_t>(options.max_queue);
  const std::string scheme = http_options.tls != nullptr ? "https" : "http";
  FS_TRY(const std::unique_ptr<HttpServer> server, HttpServer::start(std::make_shared<App>(&context), std::move(http_options)));
  context.attach(server.get());
  TuneJobRunner tune_jobs(&context, {.folder = state_dir + "/tuning",
                                     .model = loaded.path == kEmbeddedModelName ? std::string() : loaded.path,
                                     .keep_adapter = [&](const std::string& file) -> Result<std::string> {
                                       FS_TRY(std::string digest, store_adapter(file, loaded, state_dir));
                                       FS_TRY_VOID(engine->load_adapter(adapter_store(state_dir) + "/" + digest + ".gguf"));
                                       return digest;
                                     },
                                     .load_adapter = [&](const std::string& digest) -> Status {
                                       FS_TRY_VOID(engine->load_adapter(adapter_store(state_dir) + "/" + digest + ".gguf"));
                                       return {};
                                     }});
  BatchRunner batches(&context, {.n_lines = static_cast<int>(std::clamp<int64_t>(options.max_sequences / 8, 1, 8))});
  const std::string shown = address.host.find(':') == std::string::npos ? address.host : "[" + address.host + "]";
  print_welcome(fmt::format("{}://{}:{}", scheme, shown, server->port()), model_id, installation, options.no_auth);
  log.write(LogLevel::kInfo, "started", {{"model", model_id}, {"address", shown}, {"port", int64_t{server->port()}}, {"version", build_version()}});
  notify_service_manager("READY=1");
  const IdlePages idle_pages(loaded.path, *engine, [&log](uint64_t n_bytes, double seconds) {
    log.write(LogLevel::kInfo, "weights read into large pages", {{"bytes", static_cast<int64_t>(n_bytes)}, {"seconds", seconds}});
  });

  wait_for_signal(signals);
  notify_service_manager("STOPPING=1");
  fmt::print(stderr, "firesteel: stopping; answers under way may take up to {} s (once more to stop now)\n", options.drain_s);
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);  // the second one ends the program
  log.write(LogLevel::kInfo, "draining", {});
  context.draining = true;
  std::thread batches_end([&] { batches.stop(options.drain_s * 1000); });
  server->drain(options.drain_s * 1000);
  batches_end.join();
  context.attach(nullptr);
  return {};
}

}  // namespace

void add_serve(Command root) {
  const auto options = std::make_shared<ServeOptions>();
  Command command = root.subcommand("serve", "API, web assistant and admin console on one address");
  add_model_option(&command, &options->model);
  add_vision_option(&command, &options->model);
  command.text("--listen", &options->listen, "Address and port (default 127.0.0.1:8080; port 0: any free one)", "FIRESTEEL_LISTEN");
  add_state_option(&command, &options->state_dir);
  command.text("--model-name", &options->model_name, "What clients call the model (default: the file's name)", "FIRESTEEL_MODEL_NAME");
  command.texts("--alias", &options->aliases, "Another name for the model; may be repeated");
  command.texts("--adapter", &options->adapters, "NAME=FILE: a LoRA adapter that clients use as model MODEL:NAME; may be repeated");
  command.text("--adapter-dir", &options->adapter_dir, "Folder from which adapters are loaded while it serves (default: adapters in the state folder)", "FIRESTEEL_ADAPTER_DIR");
  command.flag("--no-auth", &options->no_auth, "No keys: every program on this machine may use it (loopback only)");
  command.text("--tls-cert", &options->tls_certificate, "PEM certificate chain", "FIRESTEEL_TLS_CERT");
  command.text("--tls-key", &options->tls_key, "PEM private key", "FIRESTEEL_TLS_KEY");
  command.flag("--tls-at-proxy", &options->tls_at_proxy, "A proxy in front ends TLS, so plain HTTP beyond loopback is meant");
  command.texts("--host-name", &options->hosts, "A name besides localhost under which a loopback server is addressed; may be repeated");
  command.texts("--cors-origin", &options->origins, "A page's origin that may call the API from a browser; may be repeated");
  command.text("--chat-template", &options->model.chat_template_file, "Use this Jinja file instead of the model's own template");
  add_engine_options(&command, &options->model);
  command.integer("--kv-mib", &options->kv_mib, 0, 1 << 24, "Memory for keys and values in MiB (default: a quarter of what is available)");
  command.integer("--max-sequences", &options->max_sequences, 1, 512, "Answers that are written at the same time (default 64)");
  command.integer("--max-queue", &options->max_queue, 1, 100'000, "Requests that may wait; more are refused with 429 (default 256)");
  command.integer("--workers", &options->n_workers, 1, 64, "Threads that read requests (default 2)");
  command.integer("--drain-seconds", &options->drain_s, 0, 3600, "How long answers under way may take after SIGTERM (default 30)");
  command.text("--monitor", &options->monitor_file, "What answers are watched by (TOML, docs/loop.md): rules with alerts, a sample to judge, how long figures are kept", "FIRESTEEL_MONITOR");
  command.flag("--vllm-metrics", &options->vllm_metrics, "/metrics also has the names that dashboards for vLLM know");
  command.texts("--publish-prefix", &options->published, "A file with a system prompt that all tenants share: computed at the start and always warm; may be repeated");
  command.text("--otlp-endpoint", &options->otlp_endpoint, "Send spans to this OpenTelemetry collector, such as http://127.0.0.1:4318 (default: none)",
               "OTEL_EXPORTER_OTLP_ENDPOINT");
  command.number("--trace-ratio", &options->trace_ratio, 0, 1, "Part of the requests that have spans, where the caller's trace does not say (default 1)");
  command.choice("--embeddings", &options->embeddings, {"auto", "off"}, "auto: documents are searched by meaning as well as by words, where the model's embeddings tell texts apart (default)");
  command.integer("--confirm-seconds", &options->confirm_s, 1, 3600, "How long a person has to answer when a tool wants to act (default 120); then it does not");
  command.flag("--sandbox", &options->sandbox, "Requests may name the tools python and shell, which run in bubblewrap without network");
  add_mcp_option(&command, &options->mcp_file);
  command.choice("--log", &options->log_level, {"debug", "info", "warning", "error"},
                 "Log lines on stderr as JSON (default: info, at a terminal warning)", "FIRESTEEL_LOG");
  command.examples(
      "  firesteel serve --model MODEL.gguf\n"
      "  firesteel serve --model MODEL.gguf --listen 127.0.0.1:0 --no-auth\n"
      "  firesteel serve --adapter legal=legal.gguf --adapter school=school.gguf\n"
      "  firesteel serve --model MODEL.gguf --listen 0.0.0.0:443 --tls-cert cert.pem --tls-key key.pem");
  command.run([options, command] {
    const Status status = serve(*options, command);
    if (status.ok()) return int{kExitOk};
    return status.error().code == ErrorCode::kInvalidArgument ? fail_usage(status.error().message) : fail(status.error());
  });
}

}  // namespace firesteel
