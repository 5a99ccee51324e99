#include "train/train_config.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <initializer_list>
#include <numbers>

#include "base/toml_table.h"
#include "checkpoint/hash128.h"

namespace firesteel {

Result<TrainConfig> parse_train_config(std::string_view text, const std::string& name) {
  FS_TRY(TomlTable root, TomlTable::parse(text, name));
  TrainConfig c;
  root.text("name", &c.name);
  root.text("tokenizer", &c.tokenizer);

  TomlTable model = root.table("model");
  NetworkShape& s = c.shape;
  model.integer("dim", &s.dim, 16, 8192);
  model.integer("layers", &s.n_layers, 1, 128);
  model.integer("heads", &s.n_heads, 1, 256);
  model.integer("kv_heads", &s.n_kv_heads, 1, 256);
  model.integer("head_dim", &s.head_dim, 16, 256);
  model.integer("ffn", &s.ffn_dim, 16, 32768);
  model.integer("context", &s.context, 16, 8192);
  model.number("rope_theta", &s.rope_theta, 1, 1e9);
  model.boolean("vision", &s.vision);
  int64_t patch_size = s.patches.patch_size, pixels = s.patches.pixels_per_patch, max_side = s.patches.max_side, max_patches = 100, split = s.patches.split;
  model.integer("patch_size", &patch_size, 2, 64);
  model.integer("pixels_per_patch", &pixels, 1, 256);
  model.integer("max_side", &max_side, 1, 16);
  model.integer("max_patches", &max_patches, 1, 256);
  model.integer("split", &split, 1, 4);
  s.patches = {static_cast<int32_t>(patch_size), static_cast<int32_t>(pixels), static_cast<int32_t>(max_side), static_cast<int32_t>(max_patches),
               static_cast<int32_t>(split)};

  TomlTable train = root.table("train");
  int64_t seed = 1;
  std::string schedule = "linear";
  train.integer("seed", &seed, 0, INT64_MAX);
  train.integer("tokens", &c.n_tokens, 1, int64_t{1} << 50);
  train.integer("shard_tokens", &c.shard_tokens, 32, 8192);
  train.integer("shards", &c.n_shards, 1, 4096);
  train.integer("lanes", &c.n_lanes, 1, 256);
  train.text("precision", &c.precision, {"bf16", "f32"});
  train.text("schedule", &schedule, {"linear", "cosine", "stable"});
  train.number("rate", &c.rate, 0, 1);
  train.number("final_rate", &c.final_rate, 0, 1);
  train.integer("warmup_tokens", &c.warmup_tokens, 0, int64_t{1} << 50);
  train.integer("decay_tokens", &c.decay_tokens, 0, int64_t{1} << 50);
  train.number("beta1", &c.beta1, 0, 0.99999);
  train.number("beta2", &c.beta2, 0, 0.99999);
  train.number("eps", &c.eps, 0, 1);
  train.number("weight_decay", &c.weight_decay, 0, 10);
  train.number("clip", &c.clip, 0, 1e9);
  train.text("optimizer", &c.optimizer, {"adamw", "muon"});
  train.number("muon_rate", &c.muon_rate, 0, 1000);
  train.number("muon_momentum", &c.muon_momentum, 0, 0.9999);
  train.number("digits_share", &c.digits_share, 0, 1);
  train.number("mark_weight", &c.mark_weight, 0, 100);
  c.seed = static_cast<uint64_t>(seed);
  c.schedule = schedule == "linear" ? Schedule::kLinear : schedule == "cosine" ? Schedule::kCosine : Schedule::kStable;

  TomlTable data = root.table("data");
  data.text("source", &c.source, {"synth", "files"});
  data.texts("files", &c.files);
  data.weights("mixture", &c.mixture, /*above_zero=*/false);
  TomlTable real = data.table("real");
  real.text("gsm8k", &c.real_gsm8k);
  real.text("mawps", &c.real_mawps);

  TomlTable eval = root.table("eval");
  eval.texts("files", &c.eval_files);
  eval.integer("samples", &c.eval_samples, 0, 100000);
  eval.integer("every_tokens", &c.eval_every_tokens, 1, int64_t{1} << 50);

  TomlTable save = root.table("save");
  save.integer("every_tokens", &c.save_every_tokens, 1, int64_t{1} << 50);
  save.text("type", &c.export_type, {"f32", "f16", "bf16", "q8_0"});

  for (TomlTable* table : {&root, &model, &train, &data, &real, &eval, &save}) FS_TRY_VOID(table->finish());
  if (c.tokenizer.empty()) return Error{ErrorCode::kInvalidArgument, name + ": tokenizer: expected the path of a tokenizer's .gguf file"};
  if ((c.source == "files") == c.files.empty()) {
    return Error{ErrorCode::kInvalidArgument, name + ": data.files: expected folders of shards with source = \"files\" and none with \"synth\", found " + std::to_string(c.files.size())};
  }
  if (c.source == "files" && (!c.mixture.empty() || !c.real_gsm8k.empty() || !c.real_mawps.empty())) {
    return Error{ErrorCode::kInvalidArgument, name + ": data.mixture and data.real: only for source = \"synth\" (data synth has them for shards)"};
  }
  if (!c.eval_files.empty() && c.source != "files") return Error{ErrorCode::kInvalidArgument, name + ": eval.files: only with data.source = \"files\""};
  if (c.n_lanes > c.n_shards) c.n_lanes = c.n_shards;
  return c;
}

std::string TrainConfig::digest() const {
  Hash128 hash;
  const auto number = [&hash](double value) { hash.update_u64(std::bit_cast<uint64_t>(value)); };
  const auto integers = [&hash](std::initializer_list<int64_t> values) {
    for (const int64_t value : values) hash.update_u64(static_cast<uint64_t>(value));
  };
  const auto word = [&](const std::string& value) {
    hash.update_u64(value.size());
    hash.update(value);
  };
  const NetworkShape& s = shape;
  integers({s.dim, s.n_layers, s.n_heads, s.n_kv_heads, s.head_dim, s.ffn_dim, s.n_vocab, s.context, s.vision ? 1 : 0, s.patches.patch_size,
            s.patches.pixels_per_patch, s.patches.max_side, s.patches.max_patches, static_cast<int64_t>(seed), n_tokens, shard_tokens, n_shards, n_lanes,
            static_cast<int64_t>(schedule), warmup_tokens, decay_tokens});
  for (const double value : {s.rope_theta, s.norm_eps, rate, final_rate, beta1, beta2, eps, weight_decay, clip, digits_share}) number(value);
  if (optimizer != "adamw") {
    word(optimizer);
    number(muon_rate);
    number(muon_momentum);
  }
  if (shape.patches.split != 1) integers({shape.patches.split});
  if (mark_weight != 0) number(mark_weight);
  word(precision);
  word(source);
  word(files_digest);
  word(real_gsm8k);
  word(real_mawps);
  for (const auto& [kind, weight] : mixture) {
    word(kind);
    number(weight);
  }
  return hash.finish_hex();
}

double learning_rate(const TrainConfig& c, int64_t n_tokens) {
  const auto at = static_cast<double>(n_tokens), all = static_cast<double>(c.n_tokens), warmup = static_cast<double>(c.warmup_tokens);
  const double first = static_cast<double>(c.shard_tokens * c.n_shards);  // the first step already counts
  if (at + first < warmup) return c.rate * (at + first) / warmup;
  const double start = c.schedule == Schedule::kStable ? std::max(warmup, all - static_cast<double>(c.decay_tokens)) : warmup;
  if (at <= start || all <= start) return c.rate;
  const double t = std::min(1.0, (at - start) / (all - start));
  const double share = c.schedule == Schedule::kCosine ? 0.5 * (1 + std::cos(std::numbers::pi * t)) : 1 - t;
  return c.rate * (c.final_rate + (1 - c.final_rate) * share);
}

}  // namespace firesteel
