#include "tune/tuner.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <memory>
#include <numeric>
#include <optional>
#include <utility>

#include "base/mapped_file.h"
#include "base/rng.h"
#include "checkpoint/hash128.h"
#include "train/adamw.h"
#include "train/checkpoint_file.h"
#include "train/train_log.h"
#include "tune/lora_network.h"
#include "tune/preference.h"

namespace firesteel {
namespace {

constexpr double kMemory = 0.95;  // of running means, per step

Error invalid(const std::string& text) { return {ErrorCode::kInvalidArgument, text}; }

class Tuner {
 public:
  Tuner(const TuneOptions& options, const BaseModel& base, const TuneData& data, LoraSet lora)
      : options_(options), settings_(options.settings), base_(base), data_(data), lora_(std::move(lora)), exec_(options.n_threads),
        adam_(lora_.layout(), *options.table, {.beta1 = 0.9, .beta2 = 0.99, .eps = 1e-8, .weight_decay = settings_.weight_decay, .clip = settings_.clip}) {}

  Result<TuneResult> run() {
    FS_TRY_VOID(begin());
    FS_TRY(log_, TrainLog::open(options_.folder, state_.step));
    if (settings_.method == TuneMethod::kDpo) FS_TRY_VOID(score_references());
    while (state_.step < n_steps_ && !stopping()) {
      FS_TRY_VOID(step());
      if (state_.step == n_steps_ || stopping() || state_.step % options_.save_every_steps == 0) FS_TRY_VOID(save());
    }
    if (state_.step == 0) FS_TRY_VOID(save());
    TuneResult result;
    result.finished = state_.step >= n_steps_;
    result.step = state_.step;
    result.n_steps = n_steps_;
    result.n_tokens = state_.n_tokens;
    result.loss = state_.smooth_loss;
    result.accuracy = state_.best_loss;
    result.adapter = path("adapter.gguf");
    FS_TRY(const std::shared_ptr<const Adapter> written, Adapter::load(result.adapter, base_.config));
    result.digest = written->digest();
    return result;
  }

 private:
  bool is_preference() const { return settings_.method != TuneMethod::kSft; }
  int64_t n_examples() const { return static_cast<int64_t>(data_.samples.size()) / (is_preference() ? 2 : 1); }
  bool stopping() const { return options_.stop != nullptr && options_.stop->load(); }
  std::string path(const char* name) const { return options_.folder + "/" + name; }
  void note(const std::string& text) const {
    if (options_.note) options_.note(text);
  }

  Status begin() {
    steps_per_epoch_ = (n_examples() + settings_.batch - 1) / settings_.batch;
    n_steps_ = steps_per_epoch_ * settings_.epochs;
    Hash128 hash;
    hash.update(settings_.json().dump());
    hash.update(base_.digest);
    hash.update(data_.digest);
    hash.update_u64(data_.samples.size());
    const std::string digest = hash.finish_hex();
    std::error_code ignored;
    std::filesystem::create_directories(options_.folder, ignored);
    const bool there = std::filesystem::exists(path("checkpoint.bin"), ignored);
    if (options_.resume && !there) return Error{ErrorCode::kNotFound, path("checkpoint.bin") + ": nothing to resume"};
    if (there && !options_.resume) return Error{ErrorCode::kFailedPrecondition, options_.folder + " holds a run already: give --resume, or another folder"};
    if (options_.resume) {
      FS_TRY(state_, read_train_state(path("checkpoint.bin")));
      if (state_.digest != digest || static_cast<int64_t>(state_.weights.size()) != lora_.n()) {
        return Error{ErrorCode::kFailedPrecondition, path("checkpoint.bin") + ": was made with other settings, other data or another base model"};
      }
    } else {
      state_.weights.resize(static_cast<size_t>(lora_.n()));
      state_.m.resize(state_.weights.size());
      state_.v.resize(state_.weights.size());
      lora_.init(settings_.seed, state_.weights);
    }
    state_.digest = digest;
    d_flat_.resize(state_.weights.size());
    FS_TRY_VOID(plan_network());
    note(std::to_string(n_examples()) + (is_preference() ? " pairs, " : " examples, ") + std::to_string(n_steps_) + " steps; " + std::to_string(lora_.n()) +
         " numbers to tune; " + options_.table->isa + ", " + settings_.precision + ", " + std::to_string(options_.n_threads) + " threads; passes of " +
         std::to_string(network_->limits().n_tokens) + " tokens" + (network_->limits().checkpointing ? ", layers computed again on the way back" : "") + ", " +
         std::to_string(n_bytes_ >> 20) + " MiB beside the model's file");
    return {};
  }

  int64_t pass_tokens() const { return settings_.lanes * settings_.shard_tokens; }

  // How much a pass may hold at once, and whether the insides of layers are kept for the backward pass: neither changes a byte.
  Status plan_network() {
    int64_t longest = 1;
    for (const EncodedSample& sample : data_.samples) longest = std::max(longest, static_cast<int64_t>(sample.ids.size()) - 1);
    const TrainType type = settings_.precision == "f32" ? kTrainF32 : kTrainBf16;
    LoraPassLimits limits;
    limits.n_tokens = std::max(longest, std::min(pass_tokens(), longest * settings_.batch * (is_preference() ? 2 : 1)));
    limits.n_segment = longest;
    const uint64_t file = base_.checkpoint->file_bytes();
    for (const bool checkpointing : {false, true}) {
      if (options_.checkpointing && *options_.checkpointing != checkpointing) continue;
      limits.checkpointing = checkpointing;
      n_bytes_ = LoraNetwork::planned_bytes(base_.config, lora_, type, limits, options_.n_threads);
      if (file + n_bytes_ <= options_.memory_max) break;
    }
    if (file + n_bytes_ > options_.memory_max) {
      return Error{ErrorCode::kResourceExhausted, base_.checkpoint->path() + ": tuning needs about " + std::to_string(n_bytes_ >> 20) + " MiB beside the file's " + std::to_string(file >> 20) +
                                                      " MiB, together at most " + std::to_string(options_.memory_max >> 20) + " MiB are allowed (--memory-mib); smaller --lanes, --max-tokens or --rank need less"};
    }
    network_ = std::make_unique<LoraNetwork>(base_.config, base_.weights, base_.vision, lora_, *options_.table, type, limits, &exec_);
    return {};
  }

  // The samples of `order` as passes, in order.
  void pack(std::span<const size_t> order) {
    shards_.clear();
    place_.clear();
    for (const size_t index : order) {
      const EncodedSample& sample = data_.samples[index];
      if (shards_.empty() || shards_.back().tokens.size() + sample.ids.size() - 1 > static_cast<size_t>(network_->limits().n_tokens)) shards_.emplace_back();
      append_sample(sample, 0, 0, &shards_.back());
      place_.emplace_back(shards_.size() - 1, shards_.back().segments.size() - 1);
    }
  }

  void run_shards(float loss_scale, bool gradients) {
    results_.resize(shards_.size());
    if (gradients) std::fill(d_flat_.begin(), d_flat_.end(), 0.0f);
    for (size_t i = 0; i < shards_.size(); ++i) {
      results_[i].resize(shards_[i].segments.size());
      network_->run(shards_[i], loss_scale, gradients ? std::span<float>(d_flat_) : std::span<float>(), results_[i]);
    }
  }

  const SegmentResult& result_of(size_t i) const { return results_[place_[i].first][place_[i].second]; }
  ShardSegment& segment_of(size_t i) { return shards_[place_[i].first].segments[place_[i].second]; }
  void weigh(size_t i, double weight) {
    const ShardSegment& segment = segment_of(i);
    for (int32_t t = 0; t < segment.n_targets; ++t) shards_[place_[i].first].targets[static_cast<size_t>(segment.first_target + t)].weight = static_cast<float>(weight);
  }

  // The reference is the model with the adapter off.
  Status score_references() {
    network_->set_adapter({});
    constexpr size_t kPerCall = 64;
    for (size_t first = 0; first < data_.samples.size(); first += kPerCall) {
      if (stopping()) return {};
      std::vector<size_t> order(std::min(kPerCall, data_.samples.size() - first));
      std::iota(order.begin(), order.end(), first);
      pack(order);
      run_shards(1, false);
      for (size_t i = 0; i < order.size(); ++i) references_.push_back(-result_of(i).loss);
    }
    note("answers scored by the base");
    return {};
  }

  // Which examples step `step` has: a permutation of each epoch that depends on the seed only.
  std::vector<size_t> examples_of(int64_t step) {
    const int64_t epoch = step / steps_per_epoch_;
    if (epoch != epoch_) {
      epoch_ = epoch;
      permutation_.resize(static_cast<size_t>(n_examples()));
      std::iota(permutation_.begin(), permutation_.end(), size_t{0});
      Rng rng(settings_.seed * 1000003 + static_cast<uint64_t>(epoch) + 17);
      for (size_t i = permutation_.size(); i > 1; --i) std::swap(permutation_[i - 1], permutation_[rng.below(i)]);
    }
    const auto first = static_cast<size_t>(step % steps_per_epoch_ * settings_.batch);
    const size_t n = std::min(static_cast<size_t>(settings_.batch), permutation_.size() - first);
    return {permutation_.begin() + static_cast<ptrdiff_t>(first), permutation_.begin() + static_cast<ptrdiff_t>(first + n)};
  }

  double rate_at(int64_t step) const {
    const double part = (static_cast<double>(step) + 1) / static_cast<double>(n_steps_);
    const double rising = settings_.warmup > 0 ? std::min(1.0, part / settings_.warmup) : 1;
    return settings_.rate * std::min(rising, settings_.warmup < 1 ? (1 - static_cast<double>(step) / static_cast<double>(n_steps_)) / (1 - settings_.warmup) : 1.0);
  }

  AnswerLogprob logprob_of(size_t i, size_t sample) {
    return {.sum = -result_of(i).loss, .reference = references_.empty() ? 0 : references_[sample], .n_tokens = segment_of(i).n_targets};
  }

  Status step() {
    const int64_t start_us = options_.clock->now_us();
    const std::vector<size_t> examples = examples_of(state_.step);
    std::vector<size_t> order;
    for (const size_t example : examples) {
      if (is_preference()) {
        order.push_back(2 * example);
        order.push_back(2 * example + 1);
      } else {
        order.push_back(example);
      }
    }
    pack(order);
    network_->set_adapter(state_.weights);
    int64_t n_targets = 0, n_tokens = 0;
    for (const Shard& shard : shards_) {
      n_targets += static_cast<int64_t>(shard.targets.size());
      n_tokens += static_cast<int64_t>(shard.tokens.size());
    }
    double loss = 0, right = 0;
    if (!is_preference()) {
      run_shards(1.0f / static_cast<float>(n_targets), true);
      for (size_t i = 0; i < order.size(); ++i) {
        loss += result_of(i).loss;
        right += result_of(i).n_hits;
      }
      loss /= static_cast<double>(n_targets);
      right /= static_cast<double>(n_targets);
    } else {
      run_shards(1, false);  // how likely the answers are now decides how much each counts
      const double n_pairs = static_cast<double>(examples.size());
      for (size_t pair = 0; pair < examples.size(); ++pair) {
        const AnswerLogprob chosen = logprob_of(2 * pair, order[2 * pair]), rejected = logprob_of(2 * pair + 1, order[2 * pair + 1]);
        const PreferenceLoss part = settings_.method == TuneMethod::kDpo ? dpo_loss(chosen, rejected, settings_.beta, settings_.by_length)
                                                                         : orpo_loss(chosen, rejected, settings_.lambda);
        loss += part.loss / n_pairs;
        right += (part.margin > 0 ? 1 : 0) / n_pairs;
        weigh(2 * pair, -part.d_chosen / n_pairs);  // the network's losses are minus the log-probabilities
        weigh(2 * pair + 1, -part.d_rejected / n_pairs);
      }
      if (std::isfinite(loss)) run_shards(1, true);
    }
    const std::string where = "step " + std::to_string(state_.step + 1) + ": ";
    if (!std::isfinite(loss)) return Error{ErrorCode::kDataLoss, where + "the loss is not finite; the last checkpoint is kept. A lower --lr may help"};
    const double rate = rate_at(state_.step);
    const double norm = adam_.step(&exec_, {d_flat_.data()}, state_.step + 1, rate, state_.weights.data(), state_.m.data(), state_.v.data());
    if (!std::isfinite(norm)) return Error{ErrorCode::kDataLoss, where + "the gradient is not finite; the last checkpoint is kept. A lower --lr may help"};
    const bool first = state_.step == 0;
    ++state_.step;
    state_.n_tokens += n_tokens;
    state_.n_samples += static_cast<int64_t>(examples.size());
    state_.smooth_loss = first ? loss : kMemory * state_.smooth_loss + (1 - kMemory) * loss;
    state_.best_loss = first ? right : kMemory * state_.best_loss + (1 - kMemory) * right;  // here: the running share that is right
    FS_TRY_VOID(log_->append(Json::Object{{"step", state_.step}, {"tokens", state_.n_tokens}, {"samples", state_.n_samples}, {"loss", loss}, {"accuracy", right},
                                          {"rate", rate}, {"norm", norm}}));
    report(rate, norm, n_tokens, options_.clock->now_us() - start_us);
    return {};
  }

  void report(double rate, double norm, int64_t n_tokens, int64_t time_us) {
    running_tokens_ = kMemory * running_tokens_ + static_cast<double>(n_tokens);
    running_s_ = kMemory * running_s_ + static_cast<double>(time_us) * 1e-6;
    running_steps_ = kMemory * running_steps_ + 1;
    if (!options_.progress) return;
    TuneProgress p;
    p.step = state_.step;
    p.n_steps = n_steps_;
    p.epoch = static_cast<double>(state_.step) / static_cast<double>(steps_per_epoch_);
    p.loss = state_.smooth_loss;
    p.accuracy = state_.best_loss;
    p.rate = rate;
    p.gradient_norm = norm;
    p.tokens_per_s = running_s_ > 0 ? running_tokens_ / running_s_ : 0;
    p.eta_s = static_cast<double>(n_steps_ - state_.step) * running_s_ / running_steps_;
    options_.progress(p);
  }

  Status save() {
    Json made = Json::Object{{"name", options_.name}, {"settings", settings_.json()}, {"base", base_.digest}, {"base_file", base_.checkpoint->path()},
                             {"data", data_.digest}, {"dataset", data_.version}, {"examples", n_examples()}, {"rows", data_.n_rows}, {"rows_refused", data_.n_refused},
                             {"step", state_.step}, {"steps", n_steps_}, {"tokens", state_.n_tokens}, {"loss", state_.smooth_loss}, {"accuracy", state_.best_loss},
                             {"finished", state_.step >= n_steps_}};
    FS_TRY_VOID(lora_.write(path("adapter.gguf"), state_.weights, base_.config.architecture, options_.name,
                            {{"firesteel.adapter.base", base_.digest}, {"firesteel.adapter.data", data_.digest}, {"firesteel.adapter.settings", settings_.json().dump()},
                             {"firesteel.adapter.steps", std::to_string(state_.step)}}, settings_.activation));
    FS_TRY_VOID(write_file_atomic(path("tune.json"), made.dump(1) + "\n"));
    return write_train_state(path("checkpoint.bin"), state_);
  }

  const TuneOptions& options_;
  const TuneSettings& settings_;
  const BaseModel& base_;
  const TuneData& data_;
  const LoraSet lora_;
  Exec exec_;
  AdamW adam_;
  TrainState state_;  // weights: A and B
  std::vector<float> d_flat_;
  std::unique_ptr<LoraNetwork> network_;
  uint64_t n_bytes_ = 0;
  std::optional<TrainLog> log_;
  std::vector<double> references_;  // of samples
  std::vector<Shard> shards_;
  std::vector<std::pair<size_t, size_t>> place_;  // of the packed samples: shard and segment
  std::vector<std::vector<SegmentResult>> results_;
  std::vector<size_t> permutation_;
  int64_t epoch_ = -1, steps_per_epoch_ = 0, n_steps_ = 0;
  double running_tokens_ = 0, running_s_ = 0, running_steps_ = 0;
};

}  // namespace

const char* tune_method_name(TuneMethod method) {
  switch (method) {
    case TuneMethod::kSft: return "sft";
    case TuneMethod::kDpo: return "dpo";
    case TuneMethod::kOrpo: return "orpo";
  }
  return "";
}

Status TuneSettings::check() const {
  const auto range = [](const char* name, double value, double low, double high) -> Status {
    if (value >= low && value <= high) return {};
    return invalid(std::string(name) + ": expected " + Json(low).dump() + " to " + Json(high).dump() + ", found " + Json(value).dump());
  };
  FS_TRY_VOID(range("epochs", static_cast<double>(epochs), 1, 1000));
  FS_TRY_VOID(range("batch", static_cast<double>(batch), 1, 4096));
  FS_TRY_VOID(range("lr", rate, 0, 1));
  FS_TRY_VOID(range("warmup", warmup, 0, 1));
  FS_TRY_VOID(range("beta", beta, 0, 100));
  FS_TRY_VOID(range("lambda", lambda, 0, 100));
  FS_TRY_VOID(range("weight decay", weight_decay, 0, 10));
  FS_TRY_VOID(range("clip", clip, 0, 1e6));
  FS_TRY_VOID(range("tokens of an example", static_cast<double>(shard_tokens), 16, 65536));
  FS_TRY_VOID(range("lanes", static_cast<double>(lanes), 1, 64));
  if (precision != "bf16" && precision != "f32") return invalid("precision: expected bf16 or f32, found " + precision);
  return {};
}

Json TuneSettings::json() const {
  Json out = Json::Object{{"method", tune_method_name(method)}, {"rank", lora.rank}, {"alpha", lora.alpha}, {"targets", lora.targets.empty() ? "all" : targets_text(lora.targets)},
                          {"epochs", epochs}, {"batch", batch}, {"lr", rate}, {"warmup", warmup}, {"weight_decay", weight_decay}, {"clip", clip},
                          {"seed", static_cast<int64_t>(seed)}, {"shard_tokens", shard_tokens}, {"lanes", lanes}, {"precision", precision}};
  if (!activation.empty()) out.set("activation", Json::Array(activation.begin(), activation.end()));
  if (method == TuneMethod::kDpo) {
    out.set("beta", beta);
    out.set("by_length", by_length);
  }
  if (method == TuneMethod::kOrpo) out.set("lambda", lambda);
  return out;
}

Result<TuneResult> tune(const TuneOptions& options, const BaseModel& base, const TuneData& data) {
  FS_TRY_VOID(options.settings.check());
  if (data.samples.empty()) return invalid("no examples");
  for (const EncodedSample& sample : data.samples) {
    if (static_cast<int64_t>(sample.ids.size()) - 1 > options.settings.shard_tokens) return invalid("an example is longer than --max-tokens");
  }
  FS_TRY(LoraSet lora, LoraSet::plan(base.config, options.settings.lora));
  return Tuner(options, base, data, std::move(lora)).run();
}

}  // namespace firesteel
