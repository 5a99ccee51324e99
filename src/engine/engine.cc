#include "engine/engine.h"

#include <sched.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <thread>
#include <utility>

#include "base/check.h"
#include "base/utf8.h"
#include "engine/constraint.h"
#include "engine/mailbox.h"
#include "engine/pictures.h"
#include "engine/prompt.h"
#include "engine/step_loop.h"
#include "engine/stream.h"
#include "engine/thinking.h"
#include "kernels/dispatch.h"
#include "kvcache/snapshot.h"
#include "sampling/sampler.h"

namespace firesteel {
namespace {

constexpr int64_t kPositionsMax = int64_t{1} << 30;  // positions are int32 in kernels

Error invalid(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }

int usable_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  return sched_getaffinity(0, sizeof(set), &set) == 0 ? std::max(1, CPU_COUNT(&set)) : 1;
}

// MemAvailable of /proc/meminfo, bytes; 0 when the system does not say.
uint64_t available_memory_bytes() {
  std::FILE* file = std::fopen("/proc/meminfo", "r");
  if (file == nullptr) return 0;
  char line[256];
  unsigned long long kib = 0;
  while (std::fgets(line, sizeof(line), file) != nullptr) {
    if (std::sscanf(line, "MemAvailable: %llu kB", &kib) == 1) break;
  }
  std::fclose(file);
  return uint64_t{kib} * 1024;
}

Status check_range(const char* name, int64_t value, int64_t low, int64_t high) {
  if (value >= low && value <= high) return {};
  return invalid(std::string(name) + ": expected " + std::to_string(low) + " to " + std::to_string(high) + ", found " +
                 std::to_string(value));
}

// A caller's hold on a prefix. Dropping it gives the blocks back.
class ContextHandle final : public Context {
 public:
  ContextHandle(std::shared_ptr<KvContext> kv, std::shared_ptr<Mailbox> mailbox, const StreamState::Origin& from)
      : kv_(std::move(kv)), mailbox_(std::move(mailbox)), origin(from) {}
  ~ContextHandle() override { mailbox_->drop_context(kv_); }
  int64_t n_tokens() const override { return static_cast<int64_t>(kv_->tokens.size()); }
  int depth() const override { return origin.depth; }
  const std::shared_ptr<KvContext>& kv() const { return kv_; }
  const Mailbox* mailbox() const { return mailbox_.get(); }

 private:
  std::shared_ptr<KvContext> kv_;
  std::shared_ptr<Mailbox> mailbox_;

 public:
  const StreamState::Origin origin;  // what its branches inherit
};

AdapterInfo describe_adapter(const std::shared_ptr<const Adapter>& adapter) {
  return {.digest = adapter->digest(), .name = adapter->name(), .rank = adapter->rank(), .alpha = adapter->alpha(),
          .n_parameters = adapter->n_parameters(), .n_used_by = int64_t{adapter.use_count()}};
}

int64_t earliest(int64_t a_us, int64_t b_us) { return a_us == 0 || b_us == 0 ? std::max(a_us, b_us) : std::min(a_us, b_us); }

}  // namespace

struct Engine::Impl {
  std::shared_ptr<const Model> model;
  std::shared_ptr<const Tokenizer> tokenizer;
  std::shared_ptr<const ChatTemplate> chat_template;
  std::shared_ptr<const NumberBinding> numbers;  // nullable
  PromptEncoder encoder;
  ThinkMarkers think_markers;
  const Clock* clock = nullptr;
  int64_t context_length = 0;
  int n_threads = 1;
  KvLayout layout;
  ModelInfo info;
  std::shared_ptr<const VisionModel> vision;  // nullable
  const KernelTable* table = nullptr;
  std::unique_ptr<PictureTable> pictures;
  int max_adapters = 0;
  mutable Mutex adapters_mutex;
  std::map<std::string, std::shared_ptr<const Adapter>> adapters FS_GUARDED_BY(adapters_mutex);  // by digest
  std::map<std::string, TokenId> marks FS_GUARDED_BY(adapters_mutex);  // of activated adapters, by digest, kept when they are unloaded
  std::unique_ptr<ConstraintCache> constraints;
  std::shared_ptr<Mailbox> mailbox;
  std::unique_ptr<StepLoop> loop;
  std::thread thread;

  ~Impl() {
    mailbox->stop();
    thread.join();
  }

  // What keys and values belong to: the base and what changes it.
  std::string weights_identity(const Adapter* adapter) const {
    return adapter == nullptr ? model->identity() : model->identity() + " adapter " + adapter->digest();
  }

  // nullptr for the base model.
  Result<std::shared_ptr<const Adapter>> adapter_of(const std::string& digest) const FS_EXCLUDES(adapters_mutex) {
    if (digest.empty()) return std::shared_ptr<const Adapter>();
    MutexLock lock(adapters_mutex);
    const auto it = adapters.find(digest);
    if (it == adapters.end()) return Error{ErrorCode::kNotFound, "adapter: none with the digest \"" + digest.substr(0, 80) + "\" is loaded"};
    return it->second;
  }

  // What the keys and values of these tokens belong to.
  void set_owner(const Adapter* adapter, CacheNamespace cache_namespace, std::span<const TokenId> tokens, PrefixKey* key, PrefixOwner* owner) const FS_EXCLUDES(adapters_mutex) {
    const bool is_activated = adapter != nullptr && !adapter->activation().empty();
    *key = {cache_namespace, weights_identity(is_activated ? nullptr : adapter)};
    if (!is_activated) return;
    const int64_t from = adapter_start(tokens, adapter->activation());
    MutexLock lock(adapters_mutex);
    *owner = {.from = from < static_cast<int64_t>(tokens.size()) ? from : INT64_MAX, .mark = marks.at(adapter->digest())};
  }

  // A context for a job to begin from: not where the adapter begins at another place in the longer prompt (what they have in common is in
  // the prefix cache).
  static std::shared_ptr<KvContext> usable(std::shared_ptr<KvContext> context, const Job& job) {
    const auto n = static_cast<int64_t>(context->tokens.size());
    return shareable(context->owner, job.owner, n) == n ? std::move(context) : nullptr;
  }

  std::unique_ptr<Job> new_job(const StreamState::Origin& origin, std::vector<TokenId> tokens) const {
    auto job = std::make_unique<Job>();
    job->flow = origin.flow;
    job->priority = origin.priority;
    set_owner(origin.adapter.get(), origin.cache_namespace, tokens, &job->key, &job->owner);
    job->adapter = origin.adapter;
    if (origin.picture_era > 0) job->key.model_digest += " era " + std::to_string(origin.picture_era);
    job->pictures = origin.pictures;
    job->use_prefix_cache = origin.use_prefix_cache;
    job->n_prompt = static_cast<int64_t>(tokens.size());
    job->n_tokens_max = job->n_prompt;
    job->tokens = std::move(tokens);
    job->stream = std::make_shared<StreamState>();
    job->stream->origin = origin;
    job->submitted_us = clock->now_us();
    return job;
  }

  void join_group(Job* job, std::shared_ptr<RequestGroup> group, int64_t deadline_us) const {
    job->deadline_us = deadline_us;
    if (group == nullptr) return;
    job->deadline_us = earliest(deadline_us, group->deadline_us());
    group->watch(mailbox.get(), [box = std::weak_ptr<Mailbox>(mailbox)] {
      if (const auto alive = box.lock()) alive->notify_cancel();
    });
    job->group = std::move(group);
    job->stream->is_patient = true;
  }

  // Everything that a generating job needs beyond its prompt and group. Tokens are known to fit.
  void prepare_generation(Job* job, SamplingParams sampling, StopParams stop, std::shared_ptr<GrammarMasks> grammar) const {
    const int64_t n_room = context_length - job->n_prompt;
    job->n_tokens_max = job->n_prompt + (stop.max_tokens < 0 ? n_room : std::min(stop.max_tokens, n_room));
    // What a budget does not pay for is not wanted; with nothing left the engine thread ends the job before its first step.
    if (job->group != nullptr) job->n_tokens_max = std::min(job->n_tokens_max, job->n_prompt + std::clamp<int64_t>(job->group->tokens_left(), 1, n_room));
    // Who reads the prompt as tokens of the vocabulary sees the picture token in place of a patch.
    std::vector<TokenId> without_patches;
    std::span<const TokenId> prompt = job->tokens;
    if (!job->pictures.empty()) {
      without_patches = job->tokens;
      std::replace_if(without_patches.begin(), without_patches.end(), [this](TokenId id) { return id >= encoder.n_vocab; }, *encoder.picture_token);
      prompt = without_patches;
    }
    if (uses_counts(sampling)) {
      for (const TokenId id : prompt) job->counts.add_prompt(id);
    }
    if (tokenizer != nullptr) {
      job->decoder.emplace(*tokenizer);
      job->thinking.emplace(*tokenizer, think_markers, prompt, stop.thinking_budget);
    }
    if (numbers != nullptr) job->numbers = numbers->literals(prompt);
    job->grammar = std::move(grammar);
    if (stop.thinking_budget != 0) job->think_start = think_markers.start;
    job->stop_matcher = StopMatcher(std::move(stop.strings));
    stop.strings.clear();
    job->sampling = std::move(sampling);
    job->stop = std::move(stop);
  }

  Status check_length(int64_t n_prompt, bool generates) const {
    if (n_prompt == 0) return invalid("prompt: it has no tokens");
    if (n_prompt > context_length || (generates && n_prompt == context_length)) {
      return invalid("prompt: too long: " + std::to_string(n_prompt) + " tokens" + (generates ? " and at least one of answer" : "") +
                     ", the context holds " + std::to_string(context_length));
    }
    return {};
  }

  // How many patches each picture has. kInvalidArgument.
  Result<std::vector<int32_t>> plan_pictures(std::span<const ImagePtr> images) const {
    std::vector<int32_t> n_patches;
    if (images.empty()) return n_patches;
    if (vision == nullptr) return invalid("images: the model cannot see pictures");
    if (images.size() > kImagesMax) {
      return invalid("images: expected at most " + std::to_string(kImagesMax) + ", found " + std::to_string(images.size()));
    }
    for (const ImagePtr& image : images) {
      const bool is_whole = image != nullptr && image->width >= 1 && image->height >= 1 && image->width <= kImageSideMax &&
                            image->height <= kImageSideMax && image->pixels.size() == image->offset(0, image->height);
      if (!is_whole) return invalid("images[" + std::to_string(n_patches.size()) + "]: not a decoded picture with sides of 1 to " + std::to_string(kImageSideMax));
      n_patches.push_back(vision->plan(*image).n());
    }
    return n_patches;
  }

  // The prompt as a sequence has it, with the ids of its pictures; those go into the origin.
  Result<std::vector<TokenId>> see(const Prompt& prompt, std::span<const ImagePtr> images, bool generates, StreamState::Origin* origin) const {
    FS_TRY(const std::vector<int32_t> n_patches, plan_pictures(images));
    FS_TRY(EncodedPrompt encoded, encoder.encode(prompt, /*is_suffix=*/false, n_patches));
    FS_TRY_VOID(check_length(static_cast<int64_t>(encoded.ids.size()), generates));
    if (images.empty()) return std::move(encoded.ids);
    std::vector<std::vector<float>> rows;
    for (const PictureRows& place : encoded.pictures) rows.push_back(vision->embed(*images[place.index], *table));
    PictureTable::Interned interned = pictures->intern(origin->cache_namespace, std::move(rows), vision->dim());
    origin->picture_era = interned.era;
    for (size_t i = 0; i < encoded.pictures.size(); ++i) {
      const std::shared_ptr<const Picture>& picture = interned.pictures[i];
      for (int64_t row = 0; row < picture->n; ++row) {
        encoded.ids[encoded.pictures[i].begin + static_cast<size_t>(row)] = static_cast<TokenId>(picture->first_id + row);
      }
      origin->pictures.push_back({static_cast<int64_t>(encoded.pictures[i].begin), picture});
    }
    return std::move(encoded.ids);
  }

  Status check_params(const SamplingParams& sampling, const StopParams& stop) const {
    FS_TRY_VOID(validate_sampling(sampling, encoder.n_vocab));
    return validate_stop(stop, encoder.n_vocab, tokenizer != nullptr);
  }

  // nullptr without a constraint.
  Result<std::shared_ptr<GrammarMasks>> grammar_of(const std::optional<Constraint>& constraint) const {
    if (!constraint) return std::shared_ptr<GrammarMasks>();
    return constraints->get(*constraint);
  }

  Result<const ContextHandle*> own(const std::shared_ptr<Context>& context) const {
    const auto* handle = dynamic_cast<const ContextHandle*>(context.get());
    if (handle == nullptr || handle->mailbox() != mailbox.get()) return invalid("context: it is not of this engine");
    return handle;
  }

  // Waits for a prefill-only job to end.
  Status wait_prefilled(StreamState* stream) const {
    while (auto event = stream->take()) {
      if (event->kind != GenerateEvent::Kind::kDone) continue;
      switch (event->reason) {
        case FinishReason::kStop:
        case FinishReason::kLength: return {};
        case FinishReason::kCancelled: return Error{ErrorCode::kCancelled, "prefill: cancelled, or the engine has ended"};
        case FinishReason::kDeadline: return Error{ErrorCode::kDeadlineExceeded, "the deadline has passed"};
        case FinishReason::kError: return event->error;
      }
    }
    return Error{ErrorCode::kInternal, "prefill: no end"};
  }

  // Waits. The tokens are known to fit.
  Result<std::shared_ptr<Context>> prefill_tokens(const StreamState::Origin& origin, std::vector<TokenId> tokens, std::shared_ptr<RequestGroup> group,
                                                  int64_t deadline_us) const {
    auto kv = std::make_shared<KvContext>();
    kv->tokens = tokens;
    auto job = new_job(origin, std::move(tokens));
    kv->key = job->key;
    kv->owner = job->owner;
    join_group(job.get(), std::move(group), deadline_us);
    job->prefill_only = true;
    job->becomes = kv;
    const std::shared_ptr<StreamState> stream = job->stream;
    FS_TRY_VOID(mailbox->reserve_context());
    Status status = post(std::move(job));
    if (status.ok()) status = wait_prefilled(stream.get());
    if (!status.ok()) {
      mailbox->release_context();
      return std::move(status).error();
    }
    return std::shared_ptr<Context>(std::make_shared<ContextHandle>(std::move(kv), mailbox, origin));
  }

  Status post(std::unique_ptr<Job> job) const {
    std::vector<std::unique_ptr<Job>> jobs;
    jobs.push_back(std::move(job));
    return mailbox->post(std::move(jobs));
  }
};

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Engine::~Engine() = default;

Result<std::unique_ptr<Engine>> Engine::create(std::shared_ptr<const Model> model, std::shared_ptr<const Tokenizer> tokenizer,
                                               std::shared_ptr<const ChatTemplate> chat_template, Options options) {
  CHECK(model != nullptr);
  FS_TRY_VOID(check_range("threads", options.n_threads, 0, 256));
  FS_TRY_VOID(check_range("batch rows", options.max_batch_rows, 1, 65536));
  FS_TRY_VOID(check_range("sequences", options.max_sequences, 1, options.max_batch_rows));
  FS_TRY_VOID(check_range("queue", options.max_queue, 0, 1'000'000));
  FS_TRY_VOID(check_range("prefill chunk", options.prefill_chunk, 1, options.max_batch_rows));
  FS_TRY_VOID(check_range("draft tokens", options.max_draft, 0, 16));
  FS_TRY_VOID(check_range("adapters", options.max_adapters, 0, 4096));
  FS_TRY_VOID(check_range("contexts", options.max_contexts, 0, 1'000'000));
  const ModelConfig& config = model->config();
  if (tokenizer != nullptr && tokenizer->n_vocab() > config.n_vocab) {
    return Error{ErrorCode::kFailedPrecondition, "tokenizer: it has " + std::to_string(tokenizer->n_vocab()) +
                                                     " tokens, the model knows " + std::to_string(config.n_vocab)};
  }
  if (options.vision != nullptr) {
    if (options.vision->dim() != config.dim) {
      return Error{ErrorCode::kFailedPrecondition, options.vision->checkpoint().path() + ": its rows have " + std::to_string(options.vision->dim()) +
                                                       " values, the model's " + std::to_string(config.dim)};
    }
    if (!options.picture_token && tokenizer != nullptr) options.picture_token = tokenizer->find("<|image_pad|>");
    if (!options.picture_token || *options.picture_token < 0 || *options.picture_token >= config.n_vocab) {
      return Error{ErrorCode::kFailedPrecondition, options.vision->checkpoint().path() + ": the model's vocabulary has no \"<|image_pad|>\""};
    }
  }
  const int64_t model_context = config.context_length > 0 ? std::min(config.context_length, kPositionsMax) : kPositionsMax;
  FS_TRY_VOID(check_range("context length", options.context_length, 0, model_context));
  if (options.table == nullptr) {
    FS_TRY(options.table, default_kernel_table());
  }

  const KvLayout layout = model->kv_layout(options.kv_type.value_or(model->default_kv_type()));
  const uint64_t kv_bytes_max = options.kv_bytes_max != 0 ? options.kv_bytes_max : available_memory_bytes() / 4;
  const uint64_t n_blocks = std::min<uint64_t>(kv_bytes_max / layout.block_bytes(), 1u << 24);
  const auto n_held = static_cast<int64_t>(n_blocks) * kKvBlockTokens;
  const int64_t context_length = options.context_length != 0 ? options.context_length : std::min(model_context, n_held);
  if (context_length > n_held || n_held == 0) {
    return Error{ErrorCode::kResourceExhausted,
                 "kv cache: " + std::to_string(kv_bytes_max) + " bytes hold " + std::to_string(n_held) + " tokens, the context needs " +
                     std::to_string(std::max<int64_t>(context_length, 1)) + " (" + std::to_string(layout.block_bytes()) + " bytes per " +
                     std::to_string(kKvBlockTokens) + ")"};
  }
  FS_TRY(std::unique_ptr<BlockPool> pool,
         BlockPool::create(layout, static_cast<uint32_t>(n_blocks), {.poison_free_blocks = options.poison_free_blocks}));

  auto impl = std::make_unique<Impl>();
  impl->model = model;
  impl->tokenizer = std::move(tokenizer);
  impl->chat_template = std::move(chat_template);
  if (impl->tokenizer != nullptr) impl->numbers = std::move(options.numbers);
  impl->encoder = {impl->tokenizer.get(), impl->tokenizer == nullptr ? nullptr : impl->chat_template.get(), config.n_vocab, impl->numbers.get()};
  impl->encoder.picture_token = options.vision != nullptr ? options.picture_token : std::nullopt;
  impl->vision = options.vision;
  impl->table = options.table;
  impl->pictures = std::make_unique<PictureTable>(config.n_vocab);
  if (impl->tokenizer != nullptr) impl->think_markers = ThinkMarkers::of(*impl->tokenizer);
  impl->max_adapters = options.max_adapters;
  impl->constraints = std::make_unique<ConstraintCache>(impl->tokenizer);
  impl->clock = options.clock != nullptr ? options.clock : &system_clock();
  impl->context_length = context_length;
  impl->n_threads = options.n_threads != 0 ? options.n_threads : usable_cpus();
  impl->layout = layout;
  impl->mailbox = std::make_shared<Mailbox>(int64_t{options.max_queue} + options.max_sequences, options.max_contexts);

  impl->info = std::move(options.info);
  impl->info.architecture = config.architecture;
  impl->info.digest = impl->model->identity();
  impl->info.context_length = context_length;
  impl->info.n_vocab = config.n_vocab;
  impl->info.embedding_dim = config.dim;
  impl->info.has_chat_template = impl->encoder.chat_template != nullptr;
  impl->info.can_see = impl->vision != nullptr;
  impl->info.can_think = (impl->tokenizer != nullptr && impl->think_markers.is_one_token(*impl->tokenizer)) ||
                         (impl->encoder.chat_template != nullptr && impl->encoder.chat_template->mentions("enable_thinking"));

  StepLoop::Config loop_config;
  loop_config.model = std::move(model);
  loop_config.tokenizer = impl->tokenizer;
  loop_config.numbers = impl->numbers;
  loop_config.table = options.table;
  loop_config.clock = impl->clock;
  loop_config.layout = layout;
  loop_config.n_threads = impl->n_threads;
  loop_config.context_length = context_length;
  loop_config.kv_bytes_max = kv_bytes_max;
  loop_config.max_draft = options.max_draft;
  loop_config.scheduler.max_batch_rows = options.max_batch_rows;
  loop_config.scheduler.max_sequences = options.max_sequences;
  loop_config.scheduler.prefill_chunk = options.prefill_chunk;
  loop_config.scheduler.batch_ageing_us = options.batch_ageing_us;
  impl->loop = std::make_unique<StepLoop>(std::move(loop_config), std::move(pool), impl->mailbox);
  impl->thread = std::thread([loop = impl->loop.get()] { loop->run(); });
  return std::unique_ptr<Engine>(new Engine(std::move(impl)));
}

Result<std::vector<TokenId>> Engine::encode(const Prompt& prompt, std::span<const ImagePtr> images) const {
  FS_TRY(const std::vector<int32_t> n_patches, impl_->plan_pictures(images));
  FS_TRY(EncodedPrompt encoded, impl_->encoder.encode(prompt, /*is_suffix=*/false, n_patches));
  return std::move(encoded.ids);
}

Result<std::unique_ptr<TokenStream>> Engine::submit(GenerateRequest request) {
  if (request.agents) return Error{ErrorCode::kUnsupported, "agents: an engine answers as one agent"};
  if (request.tools) return Error{ErrorCode::kUnsupported, "tools: an engine runs none"};
  FS_TRY_VOID(impl_->check_params(request.sampling, request.stop));
  FS_TRY(std::shared_ptr<GrammarMasks> grammar, impl_->grammar_of(request.constraint));
  StreamState::Origin origin{request.flow, request.priority, request.cache_namespace, request.use_prefix_cache};
  FS_TRY(origin.adapter, impl_->adapter_of(request.adapter));
  FS_TRY(std::vector<TokenId> tokens, impl_->see(request.prompt, request.images, /*generates=*/true, &origin));
  auto job = impl_->new_job(origin, std::move(tokens));
  impl_->join_group(job.get(), std::move(request.group), request.deadline_us);
  impl_->prepare_generation(job.get(), std::move(request.sampling), std::move(request.stop), std::move(grammar));
  auto stream = std::make_unique<EngineStream>(job->stream, impl_->mailbox);
  FS_TRY_VOID(impl_->post(std::move(job)));
  return std::unique_ptr<TokenStream>(std::move(stream));
}

Result<std::shared_ptr<Context>> Engine::prefill(GenerateRequest request) {
  StreamState::Origin origin{request.flow, request.priority, request.cache_namespace, request.use_prefix_cache};
  FS_TRY(origin.adapter, impl_->adapter_of(request.adapter));
  FS_TRY(std::vector<TokenId> tokens, impl_->see(request.prompt, request.images, /*generates=*/false, &origin));
  return impl_->prefill_tokens(origin, std::move(tokens), std::move(request.group), request.deadline_us);
}

Result<std::vector<std::unique_ptr<TokenStream>>> Engine::fork(const std::shared_ptr<Context>& context,
                                                               std::vector<BranchRequest> branches) {
  FS_TRY(const ContextHandle* handle, impl_->own(context));
  StreamState::Origin origin = handle->origin;
  if (++origin.depth > kForkDepthMax) {
    return Error{ErrorCode::kInvalidArgument, "branch 0: depth " + std::to_string(origin.depth) + ", at most " + std::to_string(kForkDepthMax) + " forks lie inside each other"};
  }
  std::vector<std::unique_ptr<Job>> jobs;
  std::vector<std::unique_ptr<TokenStream>> streams;
  for (size_t i = 0; i < branches.size(); ++i) {
    BranchRequest& branch = branches[i];
    const auto prepare = [&]() -> Result<std::unique_ptr<Job>> {
      FS_TRY_VOID(impl_->check_params(branch.sampling, branch.stop));
      FS_TRY(std::shared_ptr<GrammarMasks> grammar, impl_->grammar_of(branch.constraint));
      FS_TRY(const EncodedPrompt suffix, impl_->encoder.encode(branch.suffix, /*is_suffix=*/true));
      std::vector<TokenId> tokens = handle->kv()->tokens;
      tokens.insert(tokens.end(), suffix.ids.begin(), suffix.ids.end());
      FS_TRY_VOID(impl_->check_length(static_cast<int64_t>(tokens.size()), /*generates=*/true));
      auto job = impl_->new_job(origin, std::move(tokens));
      job->context = Impl::usable(handle->kv(), *job);
      impl_->join_group(job.get(), std::move(branch.group), branch.deadline_us);
      impl_->prepare_generation(job.get(), std::move(branch.sampling), std::move(branch.stop), std::move(grammar));
      return job;
    };
    auto job = prepare();
    if (!job.ok()) {
      Error error = std::move(job).error();
      error.message = "branch " + std::to_string(i) + ": " + error.message;
      return error;
    }
    streams.push_back(std::make_unique<EngineStream>((*job)->stream, impl_->mailbox));
    jobs.push_back(std::move(job).value());
  }
  FS_TRY_VOID(impl_->mailbox->post(std::move(jobs)));
  return streams;
}

Result<std::shared_ptr<Context>> Engine::context_of(const TokenStream& stream, int64_t n_generated) {
  const auto* own = dynamic_cast<const EngineStream*>(&stream);
  if (own == nullptr || own->mailbox() != impl_->mailbox.get()) return invalid("stream: it is not of this engine");
  const StreamState::Origin origin = own->state()->origin;
  const auto n_wanted = [n_generated](int64_t n_prompt, int64_t n_tokens) -> Result<int64_t> {
    if (n_generated < 0) return n_tokens;
    if (n_prompt + n_generated <= n_tokens) return n_prompt + n_generated;
    return invalid("stream: " + std::to_string(n_generated) + " tokens of the answer wanted, there are " + std::to_string(n_tokens - n_prompt));
  };
  FS_TRY_VOID(impl_->mailbox->reserve_context());
  StepLoop* loop = impl_->loop.get();
  auto kv = std::make_shared<KvContext>();
  Status status;
  Status ran = impl_->mailbox->run([&] {
    const Job* job = loop->find(own->state().get());
    if (job == nullptr) return;
    const auto n = n_wanted(job->n_prompt, job->n_tokens());
    if (!n.ok()) {
      status = n.error();
      return;
    }
    kv->key = job->key;
    kv->owner = job->owner;
    kv->tokens.assign(job->tokens.begin(), job->tokens.begin() + static_cast<ptrdiff_t>(*n));
    kv->table = job->table.fork(loop->pool(), std::min(*n, job->table.n_tokens()));
    kv->last_used_us = loop->clock().now_us();
    loop->scheduler().add_context(kv);
  });
  if (ran.ok()) ran = status;
  if (ran.ok() && !kv->tokens.empty()) return std::shared_ptr<Context>(std::make_shared<ContextHandle>(std::move(kv), impl_->mailbox, origin));
  impl_->mailbox->release_context();
  if (!ran.ok()) return std::move(ran).error();
  // It has ended: what it left is computed again, as far as the prefix cache does not have it.
  StreamState::Remains remains = own->state()->remains();
  FS_TRY(const int64_t n, n_wanted(remains.n_prompt, static_cast<int64_t>(remains.tokens.size())));
  if (n == 0) return Error{ErrorCode::kInternal, "stream: it has ended without tokens"};
  remains.tokens.resize(static_cast<size_t>(n));
  return impl_->prefill_tokens(origin, std::move(remains.tokens), nullptr, 0);
}

Status Engine::save_context(const std::shared_ptr<Context>& context, const std::string& path) {
  FS_TRY(const ContextHandle* handle, impl_->own(context));
  if (!handle->origin.pictures.empty()) {
    return Error{ErrorCode::kFailedPrecondition, "context: it holds pictures; a snapshot can hold text only"};
  }
  const std::shared_ptr<KvContext> kv = handle->kv();
  StepLoop* loop = impl_->loop.get();
  BlockTable table;
  // Shared blocks are never written, so this thread may read them while the engine goes on.
  for (int attempt = 0; attempt < 4 && table.empty(); ++attempt) {
    FS_TRY_VOID(impl_->mailbox->run([&] {
      if (kv->table.n_tokens() == static_cast<int64_t>(kv->tokens.size())) table = kv->table.fork(loop->pool(), kv->table.n_tokens());
    }));
    if (!table.empty()) break;
    // Its blocks were taken back: compute them again.
    auto job = impl_->new_job(handle->origin, kv->tokens);
    job->prefill_only = true;
    job->context = Impl::usable(kv, *job);
    const std::shared_ptr<StreamState> stream = job->stream;
    FS_TRY_VOID(impl_->post(std::move(job)));
    FS_TRY_VOID(impl_->wait_prefilled(stream.get()));
  }
  if (table.empty()) return Error{ErrorCode::kResourceExhausted, "kv cache: no room to keep the context while it is written"};
  const Status status = save_snapshot(path, impl_->weights_identity(handle->origin.adapter.get()), impl_->layout, kv->tokens,
                                      {table.addresses(), static_cast<size_t>(table.n_blocks())});
  const Status released = impl_->mailbox->run([&] { table.release(loop->pool()); });
  CHECK(released.ok());  // the engine cannot end during a call to it
  return status;
}

Result<std::shared_ptr<Context>> Engine::load_context(const std::string& path, CacheNamespace cache_namespace, const std::string& adapter) {
  StreamState::Origin origin{FlowId{0}, Priority::kInteractive, cache_namespace};
  FS_TRY(origin.adapter, impl_->adapter_of(adapter));
  const std::string identity = impl_->weights_identity(origin.adapter.get());
  FS_TRY(const Snapshot snapshot, Snapshot::open(path, identity, impl_->layout));
  const auto n_tokens = static_cast<int64_t>(snapshot.tokens().size());
  FS_TRY_VOID(impl_->check_length(n_tokens, /*generates=*/false));
  for (const TokenId id : snapshot.tokens()) {
    if (id < 0 || id >= impl_->encoder.n_vocab) return Error{ErrorCode::kDataLoss, path + ": snapshot: token " + std::to_string(id)};
  }
  auto kv = std::make_shared<KvContext>();
  kv->tokens.assign(snapshot.tokens().begin(), snapshot.tokens().end());
  impl_->set_owner(origin.adapter.get(), cache_namespace, kv->tokens, &kv->key, &kv->owner);
  FS_TRY_VOID(impl_->mailbox->reserve_context());
  StepLoop* loop = impl_->loop.get();
  BlockTable table;
  Status status;
  Status ran = impl_->mailbox->run([&] {
    auto acquired = loop->scheduler().acquire_table(n_tokens);
    if (acquired.ok()) {
      table = std::move(acquired).value();
    } else {
      status = std::move(acquired).error();
    }
  });
  if (!ran.ok()) status = ran;
  // Nobody else knows these blocks yet, so this thread may fill them while the engine goes on.
  for (int64_t i = 0; i < table.n_blocks() && status.ok(); ++i) status = snapshot.read_block(i, table.addresses()[i]);
  if (!table.empty()) {
    ran = impl_->mailbox->run([&] {
      if (!status.ok()) return table.release(loop->pool());
      table.advance(n_tokens);
      kv->table = std::move(table);
      kv->last_used_us = loop->clock().now_us();
      loop->scheduler().add_context(kv);
    });
    CHECK(ran.ok());  // the engine cannot end during a call to it
  }
  if (!status.ok()) {
    impl_->mailbox->release_context();
    return std::move(status).error();
  }
  return std::shared_ptr<Context>(std::make_shared<ContextHandle>(std::move(kv), impl_->mailbox, origin));
}

Result<int64_t> Engine::count_tokens(const Prompt& prompt, std::span<const ImagePtr> images) {
  FS_TRY(const std::vector<TokenId> ids, encode(prompt, images));
  return static_cast<int64_t>(ids.size());
}

Result<std::vector<TokenId>> Engine::tokenize(const Prompt& prompt, std::span<const ImagePtr> images) { return encode(prompt, images); }

Result<std::string> Engine::detokenize(std::span<const TokenId> ids) {
  if (impl_->tokenizer == nullptr) return Error{ErrorCode::kFailedPrecondition, "detokenize: the model has no tokenizer"};
  FS_TRY_VOID(validate_ids("token ids", ids, impl_->encoder.n_vocab));
  const std::string bytes = impl_->tokenizer->decode(ids, /*render_special=*/false);
  std::string text;
  text.reserve(bytes.size());
  for (size_t i = 0; i < bytes.size();) {
    const Utf8Char c = decode_utf8(bytes, i);
    append_utf8(&text, c.code_point);
    i += c.n_bytes;
  }
  return text;
}

std::string Engine::token_text(TokenId id) const {
  std::string bytes;
  if (impl_->tokenizer != nullptr && id >= 0 && id < impl_->tokenizer->n_vocab()) impl_->tokenizer->append_piece(id, /*render_special=*/true, &bytes);
  return bytes;
}

ModelInfo Engine::info() const { return impl_->info; }

GeneratorStats Engine::stats() const {
  const EngineStats now = engine_stats();
  GeneratorStats stats;
  stats.n_running = now.n_running;
  stats.n_waiting = now.n_waiting;
  stats.kv_bytes_used = (now.n_blocks - now.n_free_blocks) * impl_->layout.block_bytes();
  stats.kv_bytes_max = now.kv_bytes_max;
  stats.prompt_tokens = now.n_prompt_tokens;
  stats.cached_tokens = now.n_cached_tokens;
  stats.generated_tokens = now.n_generated_tokens;
  stats.n_requests = now.n_requests;
  stats.n_preemptions = now.n_preempted;
  stats.prefix_queries = now.n_prefix_queries;
  stats.prefix_hits = now.n_prefix_hits;
  return stats;
}

Result<AdapterInfo> Engine::load_adapter(const std::string& path) {
  FS_TRY(std::shared_ptr<const Adapter> adapter, impl_->model->load_adapter(path));
  MutexLock lock(impl_->adapters_mutex);
  const auto it = impl_->adapters.find(adapter->digest());
  if (it != impl_->adapters.end()) return describe_adapter(it->second);
  if (impl_->adapters.size() >= static_cast<size_t>(impl_->max_adapters)) {
    return Error{ErrorCode::kResourceExhausted, path + ": " + std::to_string(impl_->adapters.size()) + " adapters are loaded, at most " +
                                                    std::to_string(impl_->max_adapters) + " can be: unload one"};
  }
  const AdapterInfo info = describe_adapter(adapter);
  if (!adapter->activation().empty()) impl_->marks.emplace(info.digest, -1 - static_cast<TokenId>(impl_->marks.size()));
  impl_->adapters.emplace(info.digest, std::move(adapter));
  return info;
}

Status Engine::unload_adapter(const std::string& digest) {
  std::shared_ptr<const Adapter> last;  // is freed without the lock
  MutexLock lock(impl_->adapters_mutex);
  const auto it = impl_->adapters.find(digest);
  if (it == impl_->adapters.end()) return Error{ErrorCode::kNotFound, "adapter: none with the digest \"" + digest.substr(0, 80) + "\" is loaded"};
  last = std::move(it->second);
  impl_->adapters.erase(it);
  return {};
}

std::vector<AdapterInfo> Engine::adapters() const {
  std::vector<AdapterInfo> all;
  MutexLock lock(impl_->adapters_mutex);
  for (const auto& [digest, adapter] : impl_->adapters) {
    all.push_back(describe_adapter(adapter));
    --all.back().n_used_by;  // the table itself
  }
  return all;
}

Result<std::vector<float>> Engine::embed(const Prompt& prompt) {
  FS_TRY(std::vector<TokenId> tokens, encode(prompt));
  FS_TRY_VOID(impl_->check_length(static_cast<int64_t>(tokens.size()), /*generates=*/false));
  // Cached keys and values would not give the hidden states of their tokens.
  auto job = impl_->new_job({FlowId{0}, Priority::kInteractive, {}, /*use_prefix_cache=*/false}, std::move(tokens));
  job->prefill_only = true;
  const auto embedding = std::make_shared<Embedding>();
  job->embedding = embedding;
  const std::shared_ptr<StreamState> stream = job->stream;
  FS_TRY_VOID(impl_->post(std::move(job)));
  FS_TRY_VOID(impl_->wait_prefilled(stream.get()));
  return std::move(embedding->out);
}

EngineStats Engine::engine_stats() const { return impl_->loop->stats(); }
int64_t Engine::context_length() const { return impl_->context_length; }
KvLayout Engine::kv_layout() const { return impl_->layout; }
int Engine::n_threads() const { return impl_->n_threads; }

}  // namespace firesteel
