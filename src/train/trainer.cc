#include "train/trainer.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <map>
#include <utility>

#include "checkpoint/hash128.h"
#include "train/adamw.h"
#include "train/export_model.h"
#include "train/muon.h"
#include "train/patch_start.h"
#include "train/shard_workspace.h"
#include "train/train_log.h"

namespace firesteel {
namespace {

constexpr double kMemory = 0.98;        // of running means, per step
constexpr int64_t kWatchFrom = 100;     // steps after which an exploding loss is one

// Sums by the first part of a sample's kind.
struct KindSums {
  double loss = 0, targets = 0, hits = 0, samples = 0, right = 0, marks = 0, mark_hits = 0;

  void add(const ShardSegment& segment, const SegmentResult& result) {
    loss += result.loss;
    targets += segment.n_targets;
    hits += result.n_hits;
    marks += segment.n_marks;
    mark_hits += result.n_mark_hits;
    samples += 1;
    right += result.n_hits == segment.n_targets ? 1 : 0;
  }
  void fade(double factor) {
    for (double* value : {&loss, &targets, &hits, &samples, &right, &marks, &mark_hits}) *value *= factor;
  }
  Json json() const {
    return Json::Object{{"loss", loss / targets}, {"token_accuracy", hits / targets}, {"sample_accuracy", right / samples}, {"samples", samples}};
  }
};

class Trainer {
 public:
  Trainer(const TrainerOptions& options, const SampleSource& source, const SampleSource* eval_source, const SampleEncoder& encoder)
      : options_(options), config_(options.config), source_(source), eval_source_(eval_source), encoder_(encoder), exec_(options.n_threads),
        network_(config_.shape, *options.table, config_.precision == "bf16" ? kTrainBf16 : kTrainF32, {config_.shard_tokens, segment_max()}),
        adam_(network_.layout(), *options.table, {config_.beta1, config_.beta2, config_.eps, config_.weight_decay, config_.clip},
              config_.optimizer == "muon" ? Muon::takes : nullptr) {
    if (config_.optimizer == "muon") muon_.emplace(network_.layout(), network_.ops(), MuonOptions{config_.muon_momentum, config_.weight_decay});
  }

  Result<TrainResult> run() {
    FS_TRY_VOID(begin());
    FS_TRY(log_, TrainLog::open(options_.folder, state_.step));
    FS_TRY_VOID(prepare_evaluation());
    FeedOptions feed;
    feed.first = state_.position;
    feed.n_threads = options_.n_feed_threads;
    feed.seed = config_.seed;
    feed.digits_share = config_.digits_share;
    feed.n_tokens_max = segment_max();
    feed_ = std::make_unique<SampleFeed>(source_, encoder_, patches(), feed);
    TrainResult result;
    while (state_.n_tokens < config_.n_tokens && !stopping()) {
      FS_TRY_VOID(step());
      const bool last = state_.n_tokens >= config_.n_tokens || stopping();
      if (eval_source_ != nullptr && (last || crossed(config_.eval_every_tokens))) FS_TRY_VOID(evaluate());
      if (last || crossed(config_.save_every_tokens)) FS_TRY_VOID(save());
    }
    result.finished = state_.n_tokens >= config_.n_tokens;
    result.step = state_.step;
    result.n_tokens = state_.n_tokens;
    result.loss = state_.smooth_loss;
    return result;
  }

 private:
  int64_t segment_max() const { return std::min(config_.shard_tokens, config_.shape.context); }
  const PatchParams* patches() const { return config_.shape.vision ? &config_.shape.patches : nullptr; }
  bool stopping() const { return options_.stop != nullptr && options_.stop->load(); }
  bool crossed(int64_t every) const { return state_.n_tokens / every != (state_.n_tokens - step_tokens_) / every; }
  void note(const std::string& text) const {
    if (options_.note) options_.note(text);
  }
  std::string path(const char* name) const { return options_.folder + "/" + name; }

  Status begin() {
    const ParameterLayout& layout = network_.layout();
    Hash128 hash;
    for (const ParameterInfo& info : layout.tensors) {
      hash.update(info.name);
      hash.update_u64(static_cast<uint64_t>(info.rows));
      hash.update_u64(static_cast<uint64_t>(info.cols));
    }
    const std::string shape_digest = hash.finish_hex(), digest = config_.digest();
    std::error_code ignored;
    std::filesystem::create_directories(options_.folder, ignored);
    const bool there = std::filesystem::exists(path("checkpoint.bin"), ignored);
    if (options_.resume && !there) return Error{ErrorCode::kNotFound, path("checkpoint.bin") + ": nothing to resume"};
    if (there && !options_.resume) {
      return Error{ErrorCode::kFailedPrecondition, options_.folder + " holds a run already: give --resume, or another folder"};
    }
    if (options_.resume || !options_.from.empty()) {
      const std::string file = options_.resume ? path("checkpoint.bin") : options_.from;
      FS_TRY(state_, read_train_state(file));
      if (state_.shape_digest != shape_digest) return Error{ErrorCode::kFailedPrecondition, file + ": is of a network of another shape than the configuration's"};
      if (options_.resume && state_.digest != digest) {
        return Error{ErrorCode::kFailedPrecondition, file + ": was made under another configuration; with --from and another --out it goes on under this one"};
      }
      if (!options_.resume) state_.smooth_loss = state_.best_loss = 0;
    } else {
      const auto n = static_cast<size_t>(layout.n);
      state_.weights.resize(n);
      state_.m.resize(n);
      state_.v.resize(n);
      init_parameters(layout, config_.seed, state_.weights.data());
      if (!options_.init.empty()) {
        bool vision = false;
        FS_TRY_VOID(import_model(config_.shape, options_.init, state_.weights, &vision));
        if (config_.shape.vision && !vision) {
          FS_TRY(const PatchStart start, start_patches(config_.shape, source_, encoder_, state_.weights));
          note(options_.init + " has no " + mmproj_path(options_.init) + ": pictures begin anew, from " + std::to_string(start.n_marks) + " marks of " +
               std::to_string(start.n_samples) + " pictures");
        }
      }
    }
    state_.digest = digest;
    state_.shape_digest = shape_digest;
    for (int64_t i = 0; i < config_.n_lanes; ++i) {
      gradients_.emplace_back().reset(static_cast<size_t>(layout.n) * sizeof(float));
      lanes_.push_back(reinterpret_cast<float*>(gradients_.back().data()));
    }
    for (int i = 0; i < std::min<int64_t>(options_.n_threads, config_.n_lanes); ++i) workspaces_.push_back(std::make_unique<ShardWorkspace>(network_));
    note("parameters " + std::to_string(layout.n) + ", text part " + std::to_string(layout.n_text) + "; " + options_.table->isa + ", " +
         config_.precision + ", " + std::to_string(options_.n_threads) + " threads; " +
         std::to_string((workspaces_.size() * workspaces_[0]->n_bytes() + (gradients_.size() + 3) * static_cast<size_t>(layout.n) * 4) >> 20) + " MiB");
    return {};
  }

  int32_t kind_of(const std::string& kind) {
    // Pictures are told apart by what they show.
    const size_t first = kind.find('/');
    const std::string prefix = kind.substr(0, kind.starts_with("pictures/") ? kind.find('/', first + 1) : first);
    const auto found = std::find(kinds_.begin(), kinds_.end(), prefix);
    if (found != kinds_.end()) return static_cast<int32_t>(found - kinds_.begin());
    kinds_.push_back(prefix);
    return static_cast<int32_t>(kinds_.size()) - 1;
  }

  // Fills the shards of a step. state_.position becomes that of the first sample that did not fit.
  Status fill(std::vector<Shard>* shards) {
    shards->resize(static_cast<size_t>(config_.n_shards));
    for (Shard& shard : *shards) {
      shard.clear();
      while (true) {
        if (!pending_) {
          FS_TRY(pending_, feed_->next(&pending_index_));
        }
        if (shard.tokens.size() + pending_->ids.size() - 1 > static_cast<size_t>(config_.shard_tokens)) break;
        append_sample(*pending_, kind_of(pending_->kind), static_cast<float>(config_.mark_weight), &shard);
        state_.position = pending_index_;
        pending_.reset();
      }
    }
    return {};
  }

  // Runs shards in lanes; shard i in lane i % n. gradients: whether to compute them.
  void run_shards(const std::vector<Shard>& shards, float loss_scale, bool gradients, std::vector<std::vector<SegmentResult>>* results) {
    results->resize(shards.size());
    const auto n_lanes = static_cast<size_t>(config_.n_lanes);
    exec_.parallel_for(config_.n_lanes, [&](int64_t task, int thread) {
      const auto lane = static_cast<size_t>(task);
      if (gradients) std::memset(lanes_[lane], 0, static_cast<size_t>(network_.layout().n) * sizeof(float));
      for (size_t i = lane; i < shards.size(); i += n_lanes) {
        (*results)[i].resize(shards[i].segments.size());
        network_.run(shards[i], state_.weights.data(), loss_scale, gradients ? lanes_[lane] : nullptr, workspaces_[static_cast<size_t>(thread)].get(),
                     (*results)[i]);
      }
    });
  }

  Status step() {
    FS_TRY_VOID(fill(&shards_));
    const int64_t start_us = options_.clock->now_us();
    int64_t n_targets = 0;
    step_tokens_ = 0;
    for (const Shard& shard : shards_) {
      for (const ShardSegment& segment : shard.segments) n_targets += segment.n_targets;
      step_tokens_ += static_cast<int64_t>(shard.tokens.size());
    }
    network_.pack(&exec_, state_.weights.data());
    run_shards(shards_, 1.0f / static_cast<float>(n_targets), true, &results_);
    double loss = 0;
    std::vector<KindSums> sums(kinds_.size());
    int64_t n_samples = 0;
    for (size_t i = 0; i < shards_.size(); ++i) {
      for (size_t k = 0; k < results_[i].size(); ++k) {
        loss += results_[i][k].loss;
        sums[static_cast<size_t>(shards_[i].segments[k].kind)].add(shards_[i].segments[k], results_[i][k]);
        ++n_samples;
      }
    }
    loss /= static_cast<double>(n_targets);
    const double rate = learning_rate(config_, state_.n_tokens);
    const std::string where = "step " + std::to_string(state_.step + 1) + ": ";
    if (!std::isfinite(loss)) return Error{ErrorCode::kDataLoss, where + "the loss is not finite; the last checkpoint is kept"};
    const double norm = adam_.step(&exec_, lanes_, state_.step + 1, rate, state_.weights.data(), state_.m.data(), state_.v.data());
    if (!std::isfinite(norm)) return Error{ErrorCode::kDataLoss, where + "the gradient is not finite; the last checkpoint is kept"};
    if (muon_) {
      muon_->step(&exec_, lanes_[0], adam_.grad_scale(norm), rate * config_.muon_rate, state_.weights.data(), state_.m.data());
    }
    ++state_.step;
    state_.n_tokens += step_tokens_;
    state_.n_samples += n_samples;
    const bool first = state_.smooth_loss == 0;
    state_.smooth_loss = first ? loss : kMemory * state_.smooth_loss + (1 - kMemory) * loss;
    state_.best_loss = first ? loss : std::min(state_.best_loss, state_.smooth_loss);
    if (++n_steps_here_ > kWatchFrom && state_.smooth_loss > 2 * state_.best_loss + 1) {
      return Error{ErrorCode::kDataLoss, where + "the loss explodes: " + std::to_string(state_.smooth_loss) + " after " +
                                             std::to_string(state_.best_loss) + "; the last checkpoint is kept"};
    }
    FS_TRY_VOID(log_->append(Json::Object{{"step", state_.step}, {"tokens", state_.n_tokens}, {"samples", state_.n_samples}, {"loss", loss}, {"rate", rate}, {"norm", norm}}));
    report(loss, rate, norm, sums, options_.clock->now_us() - start_us);
    return {};
  }

  void report(double loss, double rate, double norm, const std::vector<KindSums>& sums, int64_t time_us) {
    running_.resize(kinds_.size());
    KindSums all;
    std::string kinds;
    for (size_t k = 0; k < kinds_.size(); ++k) {
      KindSums& r = running_[k];
      r.fade(kMemory);
      r.loss += sums[k].loss;
      r.targets += sums[k].targets;
      r.hits += sums[k].hits;
      r.samples += sums[k].samples;
      r.right += sums[k].right;
      r.marks += sums[k].marks;
      r.mark_hits += sums[k].mark_hits;
      all.marks += r.marks;
      all.mark_hits += r.mark_hits;
      all.targets += r.targets;
      all.hits += r.hits;
      all.samples += r.samples;
      all.right += r.right;
      if (r.samples <= 0) continue;  // none of this kind was among the last
      char text[96];
      std::snprintf(text, sizeof text, "%s%s %.1f", kinds.empty() ? "" : " ", kinds_[k].c_str(), 100 * r.right / r.samples);
      kinds += text;
    }
    if (all.marks > 0) {
      char text[32];
      std::snprintf(text, sizeof text, " (marks %.1f)", 100 * all.mark_hits / all.marks);
      kinds += text;
    }
    running_tokens_ = kMemory * running_tokens_ + static_cast<double>(step_tokens_);
    running_s_ = kMemory * running_s_ + static_cast<double>(time_us) * 1e-6;
    if (!options_.progress) return;
    TrainProgress p;
    p.step = state_.step;
    p.n_tokens = state_.n_tokens;
    p.n_tokens_all = config_.n_tokens;
    p.n_samples = state_.n_samples;
    p.loss = n_steps_here_ < 20 ? loss : state_.smooth_loss;
    p.token_accuracy = all.hits / all.targets;
    p.sample_accuracy = all.right / all.samples;
    p.rate = rate;
    p.gradient_norm = norm;
    p.tokens_per_s = running_s_ > 0 ? running_tokens_ / running_s_ : 0;
    p.eta_s = p.tokens_per_s > 0 ? static_cast<double>(std::max<int64_t>(0, config_.n_tokens - state_.n_tokens)) / p.tokens_per_s : 0;
    p.kinds = kinds;
    options_.progress(p);
  }

  Status prepare_evaluation() {
    if (eval_source_ == nullptr || config_.eval_samples == 0) return {};
    FeedOptions feed;
    feed.n_threads = options_.n_feed_threads;
    feed.seed = config_.seed;
    feed.digits_share = 0;
    feed.n_tokens_max = segment_max();
    SampleFeed samples(*eval_source_, encoder_, patches(), feed);
    eval_shards_.emplace_back();
    for (int64_t i = 0; i < config_.eval_samples; ++i) {
      uint64_t index = 0;
      FS_TRY(const EncodedSample sample, samples.next(&index));
      if (eval_shards_.back().tokens.size() + sample.ids.size() - 1 > static_cast<size_t>(config_.shard_tokens)) eval_shards_.emplace_back();
      append_sample(sample, kind_of(sample.kind), static_cast<float>(config_.mark_weight), &eval_shards_.back());
    }
    return {};
  }

  Status evaluate() {
    if (eval_shards_.empty()) return {};
    network_.pack(&exec_, state_.weights.data());
    std::vector<std::vector<SegmentResult>> results;
    run_shards(eval_shards_, 1.0f, false, &results);
    std::map<std::string, KindSums> sums;
    for (size_t i = 0; i < eval_shards_.size(); ++i) {
      for (size_t k = 0; k < results[i].size(); ++k) {
        const ShardSegment& segment = eval_shards_[i].segments[k];
        sums[kinds_[static_cast<size_t>(segment.kind)]].add(segment, results[i][k]);
        sums["all"].add(segment, results[i][k]);
      }
    }
    Json eval = Json::Object{};
    std::string text = "held out, step " + std::to_string(state_.step) + ":";
    for (const auto& [kind, sum] : sums) {
      eval.set(kind, sum.json());
      char part[160];
      std::snprintf(part, sizeof part, "  %s loss %.4f tokens %.1f %% samples %.1f %%", kind.c_str(), sum.loss / sum.targets, 100 * sum.hits / sum.targets,
                    100 * sum.right / sum.samples);
      text += part;
      if (sum.marks > 0) {
        std::snprintf(part, sizeof part, " marks %.1f %%", 100 * sum.mark_hits / sum.marks);
        text += part;
      }
    }
    note(text);
    return log_->append(Json::Object{{"step", state_.step}, {"tokens", state_.n_tokens}, {"eval", std::move(eval)}});
  }

  Status save() {
    ExportOptions exported;
    exported.name = config_.name;
    exported.dtype = dtype_from_name(config_.export_type).value_or(DType::kBF16);
    exported.run = "step " + std::to_string(state_.step) + ", " + std::to_string(state_.n_tokens) + " tokens, seed " + std::to_string(config_.seed) +
                   ", configuration " + state_.digest;
    FS_TRY_VOID(export_model(config_.shape, state_.weights, encoder_.file(), exported, path("model.gguf")));
    FS_TRY_VOID(write_train_state(path("checkpoint.bin"), state_));
    FS_TRY_VOID(log_->draw(config_.name));
    std::string text = "saved " + path("checkpoint.bin") + " and model.gguf at step " + std::to_string(state_.step);
    if (feed_->n_too_long() > 0) text += "; " + std::to_string(feed_->n_too_long()) + " samples too long";
    if (feed_->n_refused() > 0) text += "; " + std::to_string(feed_->n_refused()) + " samples refused, the first: " + feed_->first_refusal();
    note(text);
    return {};
  }

  const TrainerOptions& options_;
  const TrainConfig& config_;
  const SampleSource& source_;
  const SampleSource* eval_source_;
  const SampleEncoder& encoder_;
  Exec exec_;
  Network network_;
  AdamW adam_;
  std::optional<Muon> muon_;
  TrainState state_;
  std::vector<AlignedBytes> gradients_;
  std::vector<float*> lanes_;
  std::vector<std::unique_ptr<ShardWorkspace>> workspaces_;
  std::unique_ptr<SampleFeed> feed_;
  std::optional<TrainLog> log_;
  std::optional<EncodedSample> pending_;
  uint64_t pending_index_ = 0;
  std::vector<Shard> shards_, eval_shards_;
  std::vector<std::vector<SegmentResult>> results_;
  std::vector<std::string> kinds_;
  std::vector<KindSums> running_;
  int64_t step_tokens_ = 0, n_steps_here_ = 0;
  double running_tokens_ = 0, running_s_ = 0;
};

}  // namespace

Result<TrainResult> train(const TrainerOptions& options, const SampleSource& source, const SampleSource* eval_source, const SampleEncoder& encoder) {
  FS_TRY_VOID(check_shape(options.config.shape));
  if (options.config.shape.n_vocab != encoder.n_vocab()) {
    return Error{ErrorCode::kInvalidArgument, "the tokenizer has " + std::to_string(encoder.n_vocab()) + " tokens, the network " +
                                                  std::to_string(options.config.shape.n_vocab)};
  }
  return Trainer(options, source, eval_source, encoder).run();
}

}  // namespace firesteel
